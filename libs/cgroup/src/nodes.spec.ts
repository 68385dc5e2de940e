import { describe, expect, it } from 'vitest';
import { discover } from './discover.ts';
import type { NodeCapture } from './model.ts';
import { cgroupMountLines, parseMountinfo } from './mountinfo.ts';

const A = 'a1'.repeat(32);
const UID = '0a1b2c3d-0001-4000-8000-00000000000a';
const UNDER = UID.replaceAll('-', '_');
const CG2 = '30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw';
const v1 = (id: number, controller: string, root = '/', at = `/sys/fs/cgroup/${controller}`) =>
  `${id} 23 0:${id} ${root} ${at} rw - cgroup cgroup rw,${controller}`;
const process = (path: string, name = 'p') => ({ name, procCgroup: [`0::${path}`] });

const CASES: Array<[string, NodeCapture, string, string[]]> = [
  [
    'a node in a container mounts the hierarchy on its own path in it',
    {
      mountinfo: [v1(40, 'cpu', `/docker/${A}`), v1(40, 'cpu', `/docker/${A}`, `/sys/fs/cgroup/cpu/docker/${A}`)],
      mountpointInodes: { '/sys/fs/cgroup/cpu': 55, [`/sys/fs/cgroup/cpu/docker/${A}`]: 55 },
      directories: [
        `/sys/fs/cgroup/cpu/kubelet/kubepods/burstable/pod${UID}`,
        `/sys/fs/cgroup/cpu/docker/${A}/kubelet/kubepods/burstable/pod${UID}`,
      ],
    },
    'pods',
    [`/docker/${A}/kubelet/kubepods`],
  ],
  [
    'one hierarchy cannot be listed, another one can',
    {
      mountinfo: [v1(40, 'memory'), v1(41, 'pids')],
      directories: [`/sys/fs/cgroup/memory/kubepods/pod${UID}`, `/sys/fs/cgroup/pids/kubepods/pod${UID}`],
      unreadable: [{ path: '/sys/fs/cgroup/memory/kubepods', errno: 'EACCES' }],
    },
    'pods',
    ['/kubepods'],
  ],
  [
    'one mount cannot be listed at all, another one holds the pods',
    {
      mountinfo: [v1(40, 'memory'), v1(41, 'freezer')],
      directories: [`/sys/fs/cgroup/freezer/kubepods/pod${UID}`],
      unreadable: [{ path: '/sys/fs/cgroup/memory', errno: 'EACCES' }],
    },
    'pods',
    ['/kubepods'],
  ],
  [
    'a class that cannot be listed',
    {
      mountinfo: [CG2],
      directories: ['/sys/fs/cgroup/kubepods/burstable', `/sys/fs/cgroup/kubepods/pod${UID}`],
      unreadable: [{ path: '/sys/fs/cgroup/kubepods/burstable', errno: 'EACCES' }],
    },
    'pods',
    ['/kubepods'],
  ],
  ['an empty root', { mountinfo: [CG2], directories: ['/sys/fs/cgroup/kubepods.slice'] }, 'pods', ['/kubepods.slice']],
  [
    'left over slices of a node that is cgroupfs now',
    {
      mountinfo: [CG2],
      directories: [`/sys/fs/cgroup/kubepods/pod${UID}/${A}`, '/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice'],
      processes: [process(`/kubepods/pod${UID}/${A}`), process('/system.slice/kubelet.service')],
    },
    'pods',
    ['/kubepods'],
  ],
  [
    'a root that is only known because it cannot be read',
    { mountinfo: [CG2], unreadable: [{ path: '/sys/fs/cgroup/kubepods.slice', errno: 'EACCES' }] },
    'whole-system',
    [],
  ],
  [
    'kubepods unreadable, but processes tell their pods',
    {
      mountinfo: [CG2],
      directories: ['/sys/fs/cgroup/kubepods'],
      unreadable: [{ path: '/sys/fs/cgroup/kubepods', errno: 'EPERM' }],
      processes: [process(`/kubepods/pod${UID}/${A}`)],
    },
    'pods',
    [],
  ],
  [
    'two clusters in containers on one machine',
    {
      mountinfo: [CG2],
      directories: [1, 2].map((n) => `/sys/fs/cgroup/docker/${String(n).repeat(64)}/kubepods/pod${UID}`),
      processes: [1, 2].map((n) => process(`/docker/${String(n).repeat(64)}/kubepods/pod${UID}/${A}`)),
    },
    'pods',
    [1, 2].map((n) => `/docker/${String(n).repeat(64)}/kubepods`),
  ],
  [
    'a mountpoint with a space, a tab and a backslash',
    {
      mountinfo: ['30 1 0:26 / /my\\040cg\\011\\134x rw - cgroup2 cgroup2 rw'],
      directories: [`/my cg\t\\x/kubepods/burstable/pod${UID}`],
    },
    'pods',
    ['/kubepods'],
  ],
  [
    'the host mount has inode 1, the own one is shorter',
    {
      mountinfo: ['30 1 0:26 / /c rw - cgroup2 cgroup2 rw', '31 1 0:26 /../../.. /host/cgroup ro - cgroup2 cgroup2 rw'],
      mountpointInodes: { '/c': 4711, '/host/cgroup': 1 },
      directories: ['/c/init.scope', `/host/cgroup/kubepods.slice/kubepods-pod${UNDER}.slice`],
    },
    'pods',
    ['/kubepods.slice'],
  ],
  [
    'colon children at the top of the hierarchy',
    { mountinfo: [CG2], directories: [`/sys/fs/cgroup/kubepods-pod${UNDER}.slice:crio:${A}`] },
    'pods',
    ['/'],
  ],
  [
    'a container’s directory and no process',
    { mountinfo: [CG2], directories: [`/sys/fs/cgroup/docker/${A}`] },
    'containers-only',
    [],
  ],
  [
    'a podman pod without containers',
    { mountinfo: [CG2], directories: [`/sys/fs/cgroup/machine.slice/machine-libpod_pod_${A}.slice`] },
    'whole-system',
    [],
  ],
  [
    'only conmon',
    { mountinfo: [CG2], processes: [process(`/machine.slice/libpod-conmon-${A}.scope`)] },
    'whole-system',
    [],
  ],
];

describe('nodes outside the corpus', () => {
  it.each(CASES)('%s', (_, capture, mode, podRoots) => {
    const found = discover(capture);
    expect([found.mode, found.podRoots]).toEqual([mode, podRoots]);
  });

  it('says of a class that cannot be listed where and why', () => {
    const capture = CASES.find(([name]) => name === 'a class that cannot be listed')![1];
    expect(discover(capture).reason).toContain('/sys/fs/cgroup/kubepods/burstable cannot be listed: EACCES');
  });

  describe('two kubepods roots in one hierarchy', () => {
    const roots = ['/kubepods', '/kubepods.slice'];
    const capture = (processes: ReturnType<typeof process>[], more: Partial<NodeCapture> = {}): NodeCapture => ({
      mountinfo: [CG2],
      directories: [`/sys/fs/cgroup/kubepods/pod${UID}`, '/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice'],
      ...{ processes, ...more },
    });

    it('are both listed when no process is below either, and the reason says so', () => {
      for (const processes of [[], [process('/system.slice/sshd.service'), process('/')]]) {
        const { mode, podRoots, reason } = discover(capture(processes));
        expect([mode, podRoots]).toEqual(['pods', roots]);
        expect(reason).toContain('no process below /kubepods, /kubepods.slice: none of them is taken for stale');
        expect(reason).not.toContain('is stale');
      }
    });

    it('are told apart by the first process below one of them', () => {
      const { podRoots, reason } = discover(capture([process(`/kubepods.slice/kubepods-pod${UNDER}.slice`)]));
      expect(podRoots).toEqual(['/kubepods.slice']);
      expect(reason).toContain('/kubepods is stale');
      expect(reason).not.toContain('none of them');
    });

    it('are both listed, without a word, when each has one; and one root alone is never stale', () => {
      const both = discover(capture([process(`/kubepods.slice/x`), process(`/kubepods/pod${UID}`)]));
      expect(both.podRoots).toEqual(roots);
      expect(both.reason).not.toMatch(/stale/);
      const one = discover(capture([], { directories: ['/sys/fs/cgroup/kubepods'] }));
      expect([one.podRoots, one.reason.includes('stale')]).toEqual([['/kubepods'], false]);
    });

    it('are decided in each hierarchy for itself: a root that lives in one is not stale in another', () => {
      const dirs = ['memory', 'pids'].flatMap((name) => roots.map((root) => `/sys/fs/cgroup/${name}${root}`));
      const processes = [{ name: 'p', procCgroup: ['4:memory:/kubepods/x', '5:pids:/kubepods.slice/x'] }];
      const { podRoots } = discover({ mountinfo: [v1(40, 'memory'), v1(41, 'pids')], directories: dirs, processes });
      expect(podRoots).toEqual(roots);
    });
  });

  it('expects pods below a root that cannot be read', () => {
    const [, capture] = CASES.find(([name]) => name.startsWith('a root that is only known'))!;
    expect(discover(capture).fallback).toBe(true);
  });

  it('counts the places of one cause instead of listing a dozen hierarchies', () => {
    const controllers = ['cpu', 'memory', 'pids', 'freezer', 'devices'];
    const roots = controllers.map((name) => `/sys/fs/cgroup/${name}/kubepods`);
    const { mode, fallback, reason } = discover({
      mountinfo: controllers.map((name, i) => v1(40 + i, name)),
      directories: roots,
      unreadable: roots.map((path) => ({ path, errno: 'EACCES' })),
    });
    expect([mode, fallback]).toEqual(['whole-system', true]);
    expect(reason).toMatch(/cpu\/kubepods, .*memory\/kubepods, .*pids\/kubepods and 2 more cannot be listed: EACCES/);
  });
});

describe('the lines of mountinfo that a capture keeps', () => {
  const mountinfo = [
    '23 1 0:21 / / rw - overlay overlay rw,lowerdir=/secret',
    '31 23 0:28 /images/x /sys/fs/cgroup rw shared:1 - tmpfs /dev/secret rw,mode=755',
    v1(32, 'cpu'),
    '41 31 0:38 /a\\040b /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw,nsdelegate',
    '50 23 0:50 / /home rw - nfs server:/secret rw',
    '',
  ].join('\n');

  it('are cgroup mounts and what lies above them, without names of disks', () => {
    const lines = cgroupMountLines(mountinfo);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe('31 23 0:28 / /sys/fs/cgroup rw shared:1 - tmpfs none rw');
    expect(lines.join()).not.toMatch(/secret|images/);
    expect(parseMountinfo(lines)).toEqual(parseMountinfo(mountinfo));
  });

  it('keep a file system that hides a cgroup mount', () => {
    const over = `${CG2}\n77 30 0:99 / /sys/fs/cgroup rw - tmpfs tmpfs rw`;
    expect(parseMountinfo(cgroupMountLines(over))).toMatchObject([{ hidden: true }]);
  });
});
