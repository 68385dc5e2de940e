import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireTool, tempDir, waitFor } from '@perfleet/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { startPerfleet, urlIn } from '../support/perfleet.ts';
import { repository } from '../support/workloads.ts';

const tool = requireTool('setpriv');
const paranoid = Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'utf8'));
const root = process.getuid?.() === 0;
const reason = !root ? 'needs root, whose capabilities it drops' : tool.available ? '' : tool.reason;
/** Root without a capability: every rung that needs one is refused by the kernel. */
const bare = ['setpriv', '--inh-caps=-all', '--bounding-set=-all'];

describe.skipIf(reason !== '')(`a machine that grants no capability${reason && ` (skipped: ${reason})`}`, () => {
  const dir = tempDir();
  afterAll(() => dir.remove());

  it('goes down the ladder and says why: in the state that the page shows, in the log and in doctor', async () => {
    const up = await startPerfleet(
      ['up', '--http-port', '0', '--otlp-grpc-port', 'off', '--otlp-http-port', 'off', '--data', dir.path],
      {},
      60_000,
      bare,
    );
    try {
      const server = urlIn(up.line).replace(/\/$/, '');
      const node = await waitFor(
        async () => {
          const { nodes } = (await (await fetch(`${server}/api/v1/nodes`)).json()) as {
            nodes: Array<{ alive: boolean; rung: number; rungReason: string }>;
          };
          return nodes[0]?.rungReason ? nodes[0] : null;
        },
        { timeoutMs: 60_000, what: 'the node with the reason for its rung' },
      );
      expect(node.alive).toBe(true);
      // The highest setting that lets a user see processes of their own is 2.
      expect(node.rung).toBe(paranoid <= 2 ? 3 : 4);
      expect(node.rungReason).toMatch(/CAP_BPF/);
      expect(node.rungReason).toMatch(/CAP_PERFMON/);
      expect(node.rungReason).toMatch(/kernel\.perf_event_paranoid \(now \d\)/);
      expect(up.log()).toMatch(/CAP_BPF/);
      await waitFor(() => /degraded +capabilities/.test(up.log()) && /(degraded|fail) +sampler/.test(up.log()), {
        timeoutMs: 20_000,
        what: 'the summary of the checks in the log',
      });
    } finally {
      expect((await up.stop('SIGINT')).code, up.log()).toBe(0);
    }
    const [command, ...args] = bare as [string, ...string[]];
    const bundle = join(repository, 'bin/perfleet.mjs');
    const doctor = spawnSync(command, [...args, process.execPath, bundle, 'doctor'], { encoding: 'utf8' });
    expect(doctor.status, 'rung 3 can run').toBe(paranoid <= 2 ? 0 : 1);
    expect(doctor.stdout).toMatch(/(degraded|fail) +sampler .*CAP_BPF/);
    expect(doctor.stdout).toMatch(/fix: run as root, or grant CAP_BPF/);
  });
});
