import type { KubeletDeclaration } from '@perfleet/cgroup';
import { createLogger } from '@perfleet/observability';
import { decodeWindow, encodeWindow, type ProcessInput } from '@perfleet/sampler';
import { describe, expect, it } from 'vitest';
import type { LiveCapture } from './live-capture.ts';
import { LiveDiscovery, type DiscoveryState } from './node-discovery.ts';

const uid = 'b81d383b-ddb2-4df3-a67d-33a6b0f041b3';
const container = 'b9f4f108deb76e8218fdbcf6f44a8194fd65ed9e11e9d248ac1cbec9974cab85';
const logger = createLogger('test', { level: 'fatal' });
const cgroupfs = `12:cpu:/system.slice\n4:memory:/kubepods/pod${uid}/${container}\n0::/\n`;
const systemd = `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid.replaceAll('-', '_')}.slice/cri-containerd-${container}.scope\n`;

function capture(procCgroup: string[] = [], more: Partial<LiveCapture> = {}): LiveCapture {
  const processes = procCgroup.map((text, i) => ({ name: `p${i}`, procCgroup: text.split('\n').filter(Boolean) }));
  return {
    name: 'x',
    mountinfo: [],
    mountpointInodes: {},
    directories: [],
    unreadable: [],
    selfProcCgroup: [],
    processes,
    ...more,
  };
}

async function discover(captures: LiveCapture[], evidence: string[] = [], kubelet?: KubeletDeclaration) {
  let next = 0;
  const changes: Array<[DiscoveryState, DiscoveryState]> = [];
  const discovery = new LiveDiscovery({
    logger,
    minMs: 0,
    kubelet: () => kubelet,
    capture: async () => captures[Math.min(next++, captures.length - 1)]!,
    evidence: async () => evidence,
  });
  await discovery.start((state, before) => changes.push([state, before]));
  return { discovery, changes };
}

async function place(discovery: LiveDiscovery, process: Partial<ProcessInput>) {
  const payload = encodeWindow({ taken: 1, samples: [{ process: { pid: 1, ...process }, count: 1, stack: [] }] });
  return (await discovery.place(decodeWindow(payload))).placements[0];
}

describe('LiveDiscovery', () => {
  it.each([
    ['pods', [cgroupfs], ['process kubelet'], false],
    ['pods', [systemd], [], false],
    ['containers-only', [`0::/docker/${container}\n`], [], false],
    ['containers-only', [`0::/docker/${container}\n`], ['process kubelet'], true],
    ['whole-system', ['0::/\n'], [], false],
    ['whole-system', ['0::/\n'], ['process kubelet'], true],
  ])('is in mode %s for %j with %j (fallback %s)', async (mode, lines, evidence, fallback) => {
    const { discovery } = await discover([capture(lines)], evidence);
    expect(discovery.state).toMatchObject({ mode, fallback });
    expect(discovery.state.reason).not.toBe('');
    discovery.stop();
  });

  it('names a process from the text that the sampler read', async () => {
    const { discovery } = await discover([capture()]);
    for (const cgroupFile of [cgroupfs, systemd]) {
      expect(await place(discovery, { cgroupFile })).toEqual({ podUid: uid, containerId: container });
    }
    expect(await place(discovery, { cgroupFile: '0::/user.slice\n' })).toEqual({ podUid: null, containerId: null });
    expect(await place(discovery, {})).toEqual({ podUid: null, containerId: null });
    discovery.stop();
  });

  it('promotes the node when a window shows a pod, and says so once', async () => {
    const { discovery, changes } = await discover([capture(), capture([systemd])]);
    await place(discovery, { cgroupFile: systemd });
    await expect.poll(() => discovery.state.mode, { timeout: 5000 }).toBe('pods');
    await place(discovery, { cgroupFile: systemd });
    expect(changes.map(([now, before]) => [before.mode, now.mode])).toEqual([['whole-system', 'pods']]);
    discovery.stop();
  });

  it('tells in the reason where the kubelet declares something else, and why pods were expected', async () => {
    const { discovery } = await discover([capture(['0::/\n'])], ['process kubelet'], { cgroupsPerQOS: true });
    expect(discovery.state.kubeletMismatches).toEqual(['the kubelet declares cgroupsPerQOS: true']);
    expect(discovery.state.reason).toMatch(/cgroupsPerQOS: true.*evident on this node \(process kubelet\)/);
    discovery.stop();
  });

  it('says which cgroups of a window have no name yet', async () => {
    const { discovery } = await discover([capture()]);
    const payload = encodeWindow({
      taken: 2,
      samples: [
        { process: { pid: 1, cgroupV2: 123_456_789n }, count: 1, stack: [] },
        { process: { pid: 2, cgroupV2: 1n }, count: 1, stack: [] },
      ],
    });
    expect((await discovery.place(decodeWindow(payload))).unnamed).toEqual(['v2:123456789']);
    discovery.stop();
  });

  it('keeps what it knew when looking fails', async () => {
    const discovery = new LiveDiscovery({ logger, capture: () => Promise.reject(new Error('broken')) });
    await discovery.start(() => undefined);
    expect(discovery.state.mode).toBe('whole-system');
    expect(await place(discovery, { cgroupFile: systemd })).toMatchObject({ podUid: uid });
    discovery.stop();
  });
});
