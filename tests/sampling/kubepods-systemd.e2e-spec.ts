import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { openKubepods, requireKubepods, tempDir, waitFor, type CgroupLayout } from '@perfleet/testing';
import { describe, expect, it } from 'vitest';
import { bestRung, startPerfleet, type Running } from '../support/perfleet.ts';
import { readPlaced } from '../support/placed-profiles.ts';

const can = requireKubepods();
const rung = can.available ? bestRung() : 4;
const why = can.reason || (rung > 2 ? 'the sampler sees no other processes here' : '');

/** Collectors of one node at the same time, each from where it may run. */
interface Observer {
  readonly name: string;
  readonly collector: Running;
  readonly stream: Stream;
}

describe.skipIf(why !== '')(`pods in systemd's slices${why && ` (skipped: ${why})`}`, () => {
  it.each(['host', 'v2'] satisfies CgroupLayout[])(
    'are told by a collector on the host, and by one that is a pod in a cgroup namespace of its own (cgroups: %s)',
    async (layout) => {
      const dir = tempDir();
      const node = await openKubepods(layout, 'systemd');
      const observers: Observer[] = [];
      const observe = async (name: string, wrapper: readonly string[]) => {
        const data = join(dir.path, name);
        const args = ['collector', '--data', data, '--rate', '49', '--node', name];
        const env = { PERFLEET_WINDOW_SECONDS: '1', PERFLEET_KUBERNETES: 'yes' };
        const collector = await startPerfleet(args, env, 60_000, wrapper);
        const logger = createLogger('test', { level: 'fatal' });
        observers.push({
          name,
          collector,
          stream: await openEmbeddedStream({ path: join(data, 'stream.db'), logger }),
        });
      };
      try {
        // Where nobody mounts the host's cgroups into a container, it sees its own only.
        const alone = layout === 'v2' ? [observe('agent-alone', node.agentWrapper('own'))] : [];
        await Promise.all([observe('host', node.wrapper), observe('agent', node.agentWrapper('host')), ...alone]);
        const pods = await Promise.all(
          (['guaranteed', 'burstable', 'besteffort'] as const).map((qos) => node.start(qos)),
        );
        for (const { name, stream } of observers) {
          await waitFor(
            async () => {
              const { places } = await readPlaced(stream);
              return pods.every(({ executable }) => places.has(executable));
            },
            { timeoutMs: 40_000, intervalMs: 300, what: `a profile of every pod by ${name}` },
          );
        }
        for (const { name, collector, stream } of observers) {
          expect(collector.child.exitCode, name).toBeNull();
          const space = readlinkSync(`/proc/${collector.child.pid}/ns/cgroup`);
          expect(space === readlinkSync('/proc/self/ns/cgroup'), name).toBe(name === 'host');
          expect((await collector.stop()).code, collector.log()).toBe(0);
          const { places } = await readPlaced(stream);
          for (const { podUid, containerId, executable } of pods)
            expect([...places.get(executable)!], `${executable} as ${name} sees it`).toEqual([
              `${podUid}/${containerId}`,
            ]);
          // What the doctor says at the start of a container that sees no cgroups but its own.
          const hidden = collector.log().includes("a private cgroup namespace hides the node's pods");
          expect(hidden, name).toBe(name === 'agent-alone');
          expect(collector.log(), name).toMatch(/"mode":"pods"|-> pods/);
        }
      } finally {
        for (const { collector, stream } of observers) {
          await collector.stop('SIGKILL');
          await stream.close();
        }
        await node.close();
        dir.remove();
      }
    },
  );
});
