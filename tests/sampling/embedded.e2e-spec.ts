import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { decodePprof } from '@perfleet/pprof';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bestRung, runPerfleet, startPerfleet, urlIn, type Running } from '../support/perfleet.ts';
import { checkBalance, checkNode, checkShares, expectShare } from '../support/shares.ts';
import { SHARES, startWorkloads, type Workloads } from '../support/workloads.ts';

describe('perfleet up on this machine', () => {
  let data: string;
  let workloads: Workloads;
  let up: Running;
  let server: string;

  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'perfleet-e2e-'));
    workloads = startWorkloads();
    up = await startPerfleet(['up', '--http-port', '0', '--data', data, '--rate', '99']);
    server = urlIn(up.line).replace(/\/$/, '');
  });
  afterAll(async () => {
    workloads?.stop();
    await up?.stop('SIGKILL');
    rmSync(data, { recursive: true, force: true });
  });

  it('shows the known shares in the flame graph, the top list and SQL', () => checkShares(server, workloads, 5));

  it('takes = stored + lost', async () => expect(await checkBalance(server)).toBeGreaterThan(500));

  it('reports its node with mode and rung', () => checkNode(server, bestRung()));

  it('record writes a pprof with the known shares', async () => {
    for (const program of ['native', 'node'] as const) {
      const file = join(data, `${program}.pb.gz`);
      const run = await runPerfleet([
        'record',
        '--duration',
        '5s',
        '--pid',
        String(workloads.pids[program]),
        // As many as a share within five points needs when the machine has other work, too.
        '--rate',
        '499',
        '-o',
        file,
      ]);
      expect(run.code, run.err).toBe(0);
      const profile = decodePprof(gunzipSync(readFileSync(file)));
      const { hot, cold } = SHARES[program];
      const total = (name: RegExp) =>
        profile.samples
          .filter((sample) => sample.stack.some((frame) => frame.lines.some((line) => name.test(line.function))))
          .reduce((sum, sample) => sum + Number(sample.values[0]), 0);
      expectShare(total(hot), total(cold), `record, ${program}`);
    }
  });

  it('stops within three seconds of Ctrl-C', async () => {
    const { code, ms } = await up.stop('SIGINT');
    expect(code, up.log()).toBe(0);
    expect(ms).toBeLessThan(3_000);
  });
});
