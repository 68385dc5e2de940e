import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeSummary, NodeTimelineResponse } from '@perfleet/api-contract';
import { tempDir, waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bestRung, runPerfleet, startPerfleet, urlIn, type Running } from '../support/perfleet.ts';

/** The settings of a fleet as an operator changes them, of one machine that runs all the while. */
describe('perfleet config', () => {
  const scratch = tempDir();
  let up: Running;
  let server: string;

  beforeAll(async () => {
    up = await startPerfleet(['up', '--http-port', '0', '--data', scratch.path, '--node', 'gpu-1', '--rate', '23']);
    server = urlIn(up.line).replace(/\/$/, '');
  });
  afterAll(async () => {
    await up?.stop('SIGKILL');
    scratch.remove();
  });

  const config = (...args: string[]) => runPerfleet(['config', ...args], { PERFLEET_SERVER: server });
  const ok = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await config(...args);
    expect(code, err).toBe(0);
    return out;
  };
  const node = async () => (await (await fetch(`${server}/api/v1/nodes/gpu-1`)).json()) as NodeSummary;
  const becomes = (what: string, wanted: (summary: NodeSummary) => boolean) =>
    waitFor(async () => wanted(await node()), { timeoutMs: 60_000, what });

  it('is empty at first: the flags of the collector are in force', async () => {
    expect(JSON.parse(await ok('get'))).toEqual({});
    await becomes('the first report', (n) => n.rateHz === 23 && n.configVersion === 0);
  });

  it('sets fields, and the node that runs takes them up and says so', async () => {
    expect(await ok('set', 'rateHz=31', '-m', 'a try')).toBe('version 1\n  defaults.rateHz: not stated -> 31\n');
    await becomes('31 Hz', (n) => n.rateHz === 31 && n.configVersion === 1);
    expect(await ok('set', 'rateHz=47', '--node', 'gpu-*')).toContain('nodes gpu-*.rateHz: not stated -> 47');
    await becomes('47 Hz', (n) => n.rateHz === 47 && n.configVersion === 2);
    expect(JSON.parse(await ok('get', '--node', 'gpu-7'))).toMatchObject({ rateHz: 47, windowSeconds: 5 });
    const { out } = await runPerfleet(['nodes', '--server', server]);
    expect(out.split('\n').find((line) => line.startsWith('gpu-1'))).toMatch(/ 47 Hz +2 /);
    const history = await ok('history');
    expect(history).toMatch(/^version 2 .*\n {2}nodes gpu-\*\.rateHz: not stated -> 47\nversion 1 .* a try\n$/);
  });

  it('refuses what is wrong with the name of the field and the fix, and changes nothing', async () => {
    for (const [args, message] of [
      [['set', 'ratHz=1'], 'defaults.ratHz: there is no such field; did you mean rateHz?'],
      [['edit', join(scratch.path, 'missing.json')], 'missing.json'],
    ] as const) {
      const { code, err } = await config(...args);
      expect(code).toBe(1);
      expect(err).toContain(message);
    }
    const file = join(scratch.path, 'old.json');
    writeFileSync(file, '{"defaults":{"rateHz":5}}');
    const late = await config('edit', file, '--if-version', '1');
    expect([late.code, late.err]).toEqual([1, expect.stringContaining('at version 2, not 1: read it again')]);
    expect((await node()).configVersion).toBe(2);
  });

  it('takes a document from a file, and the change is in the time line of the node', async () => {
    const file = join(scratch.path, 'new.json');
    writeFileSync(file, JSON.stringify({ overrides: [{ nodes: ['gpu-1'], settings: { rung: 2, windowSeconds: 2 } }] }));
    expect(await ok('edit', file)).toContain('version 3\n');
    const rung = bestRung() <= 2 ? 2 : 4;
    await becomes('the other sampler', (n) => n.configVersion === 3 && n.rung === rung && n.rateHz === 23);
    const told = async () => {
      const answer = await fetch(`${server}/api/v1/nodes/gpu-1/timeline?from=now-15m&until=now`);
      const { events } = (await answer.json()) as NodeTimelineResponse;
      return events.some(
        ({ kind, message }) => kind === 'config-changed' && message.includes('version 3: rateHz 47 -> 23'),
      );
    };
    await waitFor(told, { timeoutMs: 60_000, what: 'the event of version 3' });
  });

  it('is in force again after a restart', async () => {
    await up.stop();
    up = await startPerfleet(['up', '--http-port', '0', '--data', scratch.path, '--node', 'gpu-1', '--rate', '23']);
    server = urlIn(up.line).replace(/\/$/, '');
    await becomes('version 3', (n) => n.configVersion === 3);
  });
});
