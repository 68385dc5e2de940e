import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { encodePprof } from '@perfleet/pprof';
import { requireTool, tempDir, waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';
import { repository } from '../support/workloads.ts';

const text = readFileSync(join(repository, 'docs/integrations.md'), 'utf8');
const blocks = (language: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))].map((m) => m[1]!);

const curl = requireTool('curl');
describe.skipIf(!curl.available)(`docs/integrations.md${curl.reason && ` (skipped: ${curl.reason})`}`, () => {
  let pipeline: Pipeline;
  const dir = tempDir();
  beforeAll(async () => {
    pipeline = await startPipeline();
    const profile = encodePprof({
      sampleTypes: [{ type: 'cpu', unit: 'nanoseconds' }],
      periodType: { type: 'cpu', unit: 'nanoseconds' },
      period: 1,
      timeNanos: BigInt(Date.now()) * 1_000_000n,
      durationNanos: 0n,
      samples: [{ stack: [{ lines: [{ function: 'main', file: '', line: 0 }] }], values: [7_000_000] }],
    });
    writeFileSync(join(dir.path, 'profile.pb.gz'), gzipSync(profile));
  });
  afterAll(async () => {
    await pipeline?.stop();
    dir.remove();
  });

  it.each(blocks('sh').map((block) => [block.slice(0, 90).split('\n')[0]!, block]))('%s', async (_, block) => {
    const here = block
      .replaceAll('http://127.0.0.1:4700', pipeline.url)
      .replaceAll('127.0.0.1:4318', `127.0.0.1:${pipeline.otlpHttpPort}`)
      .replaceAll('curl -s', 'curl -sS --fail-with-body');
    await promisify(execFile)('bash', ['-euc', here], { cwd: dir.path, timeout: 30_000 });
  });

  it('and what they sent is there', async () => {
    const totals = async () => {
      const rows = await pipeline.store.query<{ service: string; v: string }>(
        "SELECT service, sum(value) AS v FROM profiles WHERE type = 'cpu' GROUP BY service ORDER BY service",
      );
      return rows.map(({ service, v }) => `${service} ${Number(v) / 1e6}`).join(', ');
    };
    const expected = 'from-file 7, from-folded 40, from-otlp 30';
    await waitFor(async () => (await totals()) === expected, { timeoutMs: 20_000, what: expected });
  });
});

it('the data source of the document is the one that is provisioned', () => {
  const [documented] = (parse(blocks('yaml')[0]!) as { datasources: Array<Record<string, unknown>> }).datasources;
  const file = readFileSync(join(repository, 'deploy/grafana/provisioning/datasources/perfleet.yaml'), 'utf8');
  const provisioned = (parse(file) as { datasources: Array<Record<string, unknown>> }).datasources;
  expect(provisioned).toContainEqual({ ...documented, url: 'http://api:4700' });
});
