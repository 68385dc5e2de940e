import { createHash } from 'node:crypto';
import { stackId } from '@perfleet/ids';
import { decodeProfiles } from '@perfleet/otlp';
import { describe, expect, it } from 'vitest';
import { Fleet, nodeMessage, Random, redeploy, Totals, Zipf } from './index.ts';

const small = { seed: 3, nodes: 2, pods: 12, services: 4, stacksPerService: 200, samplesPerWindow: 19 };
const digest = (body: Uint8Array) => createHash('sha256').update(body).digest('hex');

describe('Zipf', () => {
  it('draws each rank as often as its weight says', () => {
    const zipf = new Zipf(10, 1);
    const random = new Random(1);
    const seen = new Array<number>(10).fill(0);
    for (let i = 0; i < 200_000; i++) seen[zipf.draw(random)]!++;
    const sum = Array.from({ length: 10 }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b);
    seen.forEach((n, rank) => expect(n / 200_000).toBeCloseTo(1 / (rank + 1) / sum, 2));
  });
});

describe('Fleet', () => {
  it('is the same for the same seed and another for another', () => {
    const body = (seed: number) => {
      const fleet = new Fleet({ ...small, seed });
      return digest(nodeMessage(fleet, fleet.pods, 5, 1_700_000_000, 5).body);
    };
    expect(body(3)).toBe(body(3));
    expect(body(3)).not.toBe(body(4));
  });

  it('has distinct stacks of 10 to 67 frames, 28 or so on average, that share callers', () => {
    const { graph } = new Fleet({ ...small, stacksPerService: 2000 }).services[0]!;
    const depths = Array.from(graph.stackIds, (_, i) => graph.offsets[i + 1]! - graph.offsets[i]!);
    expect(new Set(graph.stackIds).size).toBe(2000);
    expect(Math.min(...depths)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...depths)).toBeLessThanOrEqual(67);
    const mean = depths.reduce((a, b) => a + b) / depths.length;
    expect(mean).toBeGreaterThan(24);
    expect(mean).toBeLessThan(32);
    const ids = [...graph.frames.subarray(0, graph.offsets[1])].map((site) => graph.frameIds[site]!);
    expect(stackId(ids)).toBe(graph.stackIds[0]);
    const prefixes = new Set<string>();
    for (let i = 0; i < 2000; i++)
      for (let end = 1; end <= depths[i]!; end++)
        prefixes.add(graph.frames.subarray(graph.offsets[i], graph.offsets[i]! + end).join());
    expect(prefixes.size).toBeLessThan(graph.frames.length * 0.6);
  });

  it('has new stacks through its own binary when it is deployed again, and the same through others', () => {
    const { graph, name } = new Fleet(small).services[0]!;
    const next = redeploy(graph, name, 1);
    expect(next.stackIds.filter((id, i) => id === graph.stackIds[i])).toHaveLength(0);
    const same = next.frameIds.filter((id, i) => id === graph.frameIds[i]).length;
    expect(same).toBe(graph.sites.filter((site) => !site.binary?.path.startsWith('/opt/')).length);
    expect(redeploy(graph, name, 1)).toEqual(next);
  });

  it('writes messages that hold what the totals say', () => {
    const fleet = new Fleet(small);
    const totals = new Totals();
    let samples = 0;
    for (let window = 0; window < 3; window++) {
      const message = nodeMessage(fleet, fleet.pods, window, 1_700_000_000 + window * 5, 5, totals);
      const data = decodeProfiles(message.body);
      const tables = data.resources.flatMap((r) => r.profiles).map((p) => p.samples);
      expect(tables.reduce((sum, t) => sum + t.length, 0)).toBe(message.rows);
      const sum = tables.reduce((all, t) => all + t.values.values.reduce((a, b) => a + b, 0), 0);
      expect(sum).toBe(message.samples);
      samples += sum;
    }
    expect(totals.samples).toBe(samples);
    expect([...totals.byService.values()].reduce((a, b) => a + b)).toBe(samples);
    for (const [service, n] of totals.byService)
      expect([...totals.stacks(service).values()].reduce((a, b) => a + b)).toBe(n);
  });
});
