import { openKubepods, requireKubepods, waitFor, type TestKubepods } from '@perfleet/testing';
import { createLogger } from '@perfleet/observability';
import { decodeWindow, encodeWindow } from '@perfleet/sampler';
import { statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LiveDiscovery, type DiscoveryState } from './node-discovery.ts';

const can = requireKubepods();
const logger = createLogger('test', { level: 'fatal' });
const NOBODY = 65534;

/** A node's own cgroups, as a kubelet would make them. Timers are hours: what is seen is seen by events. */
describe.skipIf(!can.available)(`discovery of real pods${can.reason && ` (skipped: ${can.reason})`}`, () => {
  let node: TestKubepods;
  let discovery: LiveDiscovery;
  let changes: string[];
  beforeEach(async () => {
    node = await openKubepods();
    changes = [];
    discovery = new LiveDiscovery({ logger, kubernetes: 'yes', everyMs: 3_600_000, minMs: 50 });
  });
  afterEach(async () => {
    discovery.stop();
    await node.close();
  });
  const start = () => discovery.start((now: DiscoveryState, before) => changes.push(`${before.mode} -> ${now.mode}`));
  const mode = (wanted: string) =>
    waitFor(() => discovery.state.mode === wanted, { timeoutMs: 10_000, what: `mode ${wanted}` });

  it('promotes an empty node with its first pod, a Guaranteed one, and demotes it with the last, once each', async () => {
    await start();
    expect(discovery.state).toMatchObject({ mode: 'whole-system', fallback: true });
    const first = await node.start('guaranteed');
    await mode('pods');
    expect(discovery.state).toMatchObject({ podRoots: ['/kubepods'], fallback: false });
    const second = await node.start('guaranteed');
    await node.remove(first);
    await node.remove(second);
    // No class directory was ever there: what the seed of this project died of.
    node.removeDirectory('/kubepods');
    await mode('whole-system');
    expect(discovery.state.fallback).toBe(true);
    expect(changes).toEqual(['whole-system -> pods', 'pods -> whole-system']);
  });

  it('names containers of every class by their ids, also after they and their class directories are gone', async () => {
    await start();
    for (const round of [1, 2]) {
      const pods = [await node.start('guaranteed'), await node.start('burstable'), await node.start('besteffort')];
      const inodes = pods.map(({ cgroup }) => statSync(`/sys/fs/cgroup/memory${cgroup}`, { bigint: true }).ino);
      const place = async () => {
        const samples = inodes.map((cgroupV1, i) => ({
          process: { pid: 90_000_000 + i, cgroupV1, cgroupV1Controller: 'memory', cgroupV2: 1n },
          ...{ count: 1, stack: [] },
        }));
        return discovery.place(decodeWindow(encodeWindow({ taken: 3, samples })));
      };
      const expected = pods.map(({ podUid, containerId }) => ({ podUid, containerId }));
      expect((await place()).placements, `round ${round}`).toEqual(expected);
      for (const pod of pods) await node.remove(pod);
      node.removeDirectory('/kubepods/burstable');
      node.removeDirectory('/kubepods/besteffort');
      const { placements, unnamed } = await place();
      expect(placements, `round ${round}, removed`).toEqual(expected);
      expect(unnamed).toEqual([]);
    }
    expect(changes).toEqual(['whole-system -> pods']);
  });

  it('names a container that was gone before its first window, without a look', async () => {
    await start();
    const pod = await node.start('burstable');
    await mode('pods');
    const short = await node.start('besteffort');
    const cgroupV1 = statSync(`/sys/fs/cgroup/memory${short.cgroup}`, { bigint: true }).ino;
    // A window of something else: with it comes what happened until now.
    await discovery.place(decodeWindow(encodeWindow({ taken: 0, samples: [] })));
    await node.remove(short);
    await node.remove(pod);
    const process = { pid: 90_000_000, cgroupV1, cgroupV1Controller: 'memory', cgroupV2: 1n };
    const samples = [{ process, count: 1, stack: [] }];
    const { placements, unnamed } = await discovery.place(decodeWindow(encodeWindow({ taken: 1, samples })));
    expect(placements).toEqual([{ podUid: short.podUid, containerId: short.containerId }]);
    expect(unnamed).toEqual([]);
  });

  it('falls back with the reason where the tree cannot be read, and comes back when it can', async () => {
    node.makeDirectory('/kubepods/burstable');
    node.chmod('/kubepods', '0700');
    process.setegid!(NOBODY);
    process.seteuid!(NOBODY);
    try {
      await start();
      expect(discovery.state).toMatchObject({ mode: 'whole-system', fallback: true, podRoots: [] });
      expect(discovery.state.reason).toMatch(/\/kubepods.* cannot be listed: EACCES/);
      // Another pod needs no listing: its processes tell.
      process.seteuid!(0);
      const pod = await node.start('burstable');
      process.seteuid!(NOBODY);
      const cgroupFile = `0::${pod.cgroup}\n`;
      const samples = [{ process: { pid: 1, cgroupFile }, count: 1, stack: [] }];
      const { placements } = await discovery.place(decodeWindow(encodeWindow({ taken: 1, samples })));
      expect(placements).toEqual([{ podUid: pod.podUid, containerId: pod.containerId }]);
      await mode('pods');
      expect(discovery.state.reason).toContain('EACCES');
    } finally {
      process.seteuid!(0);
      process.setegid!(0);
    }
    expect(changes).toEqual(['whole-system -> pods']);
  });
});
