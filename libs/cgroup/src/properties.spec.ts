import { describe, expect, it, vi } from 'vitest';
import { attributeProcess } from './attribute.ts';
import { discover } from './discover.ts';
import type { NodeCapture, Qos } from './model.ts';
import { random, uuid, type Random } from './random.fixture.ts';
import { replay, replayLine } from './replay.ts';

const RUNS = 3000;
// Thousands of layouts each: longer than the usual bound where the machine is busy.
vi.setConfig({ testTimeout: 60_000 });

const uidOf = (r: Random) => (r.chance(0.3) ? r.hex(32) : uuid(r));
const leaf = (r: Random, id: string) =>
  r.pick([
    id,
    `cri-containerd-${id}.scope`,
    `crio-${id}`,
    `crio-${id}.scope`,
    `docker-${id}.scope`,
    `rt${r.int(99)}-${id}.scope`,
  ]);
const prefix = (r: Random) =>
  r.pick([
    '',
    '/tenant/k8s',
    `/docker/${r.hex(64)}/kubelet`,
    `/system.slice/docker-${r.hex(64)}.scope`,
    '/user.slice/user-1.slice',
  ]);
const inside = (r: Random) =>
  r.pick([
    '',
    '/init.scope',
    `/docker/${r.hex(64)}`,
    `/kubepods/burstable/pod${uuid(r)}/${r.hex(64)}`,
    '/system.slice/x.service',
  ]);

interface Case {
  readonly path: string;
  /** Inside the hierarchy, of the root that holds the pod. */
  readonly root: string;
  readonly expected: { podUid: string; containerId: string; qos: Qos | null };
}

/** A pod in one of the kubelet's three forms, at any depth, under any runtime. */
function podCase(r: Random): Case {
  const [podUid, containerId, top] = [uidOf(r), r.hex(64), prefix(r)];
  const qos = r.pick(['guaranteed', 'burstable', 'besteffort'] as const);
  const part = qos === 'guaranteed' ? '' : qos;
  const expected = { podUid, containerId, qos };
  const underscored = podUid.replaceAll('-', '_');
  const form = r.int(3);
  if (form === 0) {
    const pod = `${top}/kubepods${part && `/${part}`}/pod${podUid}`;
    return { path: `${pod}/${leaf(r, containerId)}${inside(r)}`, root: `${top}/kubepods`, expected };
  }
  const base = r.pick(['', 'kubelet-', 'a-b-']);
  const slice = `${base}kubepods${part && `-${part}`}-pod${underscored}.slice`;
  if (form === 1) {
    const root = `${top}/${base}kubepods.slice`;
    const parent = part ? `${root}/${base}kubepods-${part}.slice` : root;
    return { path: `${parent}/${slice}/${leaf(r, containerId)}${inside(r)}`, root, expected };
  }
  const runtime = r.pick(['cri-containerd', 'crio', 'docker', 'other']);
  const parent = `${top}/${r.pick(['system.slice', 'svc'])}`;
  return { path: `${parent}/${slice}:${runtime}:${containerId}${inside(r)}`, root: parent, expected };
}

/** Lines of a process as v2, hybrid or v1 print it, in any order. */
function linesOf(r: Random, path: string): string[] {
  const written = path + (r.chance(0.2) ? ' (deleted)' : '');
  if (r.chance(0.3)) return [`0::${written}`];
  const lines = [
    `${r.int(20)}:rdma:/`,
    `9:memory:${written}`,
    `3:cpu,cpuacct:${written}`,
    `1:name=systemd:${r.pick(['/', written])}`,
  ];
  if (r.chance(0.5)) lines.push(`0::${r.pick(['/', '/system.slice/containerd.service', '/init.scope'])}`);
  return lines.sort(() => r.int(3) - 1);
}

describe('any layout that the rules describe', () => {
  it('names pod, container and class, as lines and as text', () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const r = random(seed);
      const { path, expected } = podCase(r);
      const lines = linesOf(r, path);
      const { podUid, containerId, qos, infra } = attributeProcess(lines);
      expect({ podUid, containerId, qos, infra }, `seed ${seed}: ${lines.join('|')}`).toEqual({
        ...expected,
        infra: false,
      });
      expect(attributeProcess(`${lines.join('\n')}\n`)).toEqual(attributeProcess(lines));
    }
  });

  it('names them from a cgroup namespace too, the class only where it is in sight', () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const r = random(seed);
      const { path, expected, root } = podCase({ ...r, pick: (items) => (items[0] === '' ? items[0] : r.pick(items)) });
      const hidden = path.slice(root.length + 1).split('/');
      const up = '/..'.repeat(1 + r.int(4));
      const { podUid, containerId, qos } = attributeProcess([`0::${up}/${hidden.join('/')}`]);
      const inName = /kubepods/.test(hidden.find((s) => /pod/.test(s)) ?? '') || /^b/.test(hidden[0]!);
      expect({ podUid, containerId, qos }, `seed ${seed}: ${up}/${hidden.join('/')}`).toEqual({
        ...expected,
        qos: inName ? expected.qos : null,
      });
    }
  });

  it('finds the root of the pods, lists them, and is in mode pods', () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const r = random(seed);
      const { path, root, expected } = podCase(r);
      const mountpoint = r.pick(['/sys/fs/cgroup', '/host/cg', '/odd name']);
      const capture: NodeCapture = {
        mountinfo: [`30 23 0:26 / ${mountpoint.replaceAll(' ', '\\040')} rw - cgroup2 cgroup2 rw`],
        directories: [mountpoint + path],
        processes: r.chance(0.5) ? [{ name: 'p', procCgroup: [`0::${path}`] }] : [],
      };
      const found = discover(capture);
      expect([found.mode, found.podRoots], `seed ${seed}: ${path}`).toEqual(['pods', [root]]);
      const pod = found.pods.find(({ uid }) => uid === expected.podUid);
      expect([pod?.qos, pod?.containers], `seed ${seed}: ${path}`).toEqual([expected.qos, [expected.containerId]]);
    }
  });
});

describe('any input at all', () => {
  const junk = (r: Random, depth = 0): unknown => {
    const text = () =>
      Array.from({ length: r.int(12) }, () =>
        r.pick([
          '/',
          ':',
          '..',
          'pod',
          'kubepods',
          '.slice',
          '-',
          '_',
          '\\x2d',
          '\\040',
          '0',
          r.hex(64),
          ' - cgroup2 ',
          'é',
          '\0',
          ' (deleted)',
          '0::/',
        ]),
      ).join('');
    const kind = r.int(depth > 3 ? 4 : 7);
    if (kind === 0) return text();
    if (kind === 1) return r.pick([null, undefined, NaN, -1, 1e300, true]);
    if (kind === 2) return `${r.int(9)}:${r.pick(['', 'cpu', 'name=systemd'])}:/${text()}`;
    if (kind === 3) return `1 2 0:${r.int(3)} /${text()} /${text()} rw - cgroup x rw,${text()}`;
    if (kind === 4) return Array.from({ length: r.int(6) }, () => junk(r, depth + 1));
    const keys = [
      'mountinfo',
      'mountpointInodes',
      'directories',
      'unreadable',
      'processes',
      'procCgroup',
      'path',
      'errno',
      'name',
      '__proto__',
    ];
    return Object.fromEntries(Array.from({ length: r.int(7) }, () => [r.pick(keys), junk(r, depth + 1)]));
  };

  it('never throws, and answers in the agreed shape', () => {
    for (let seed = 1; seed <= 1500; seed++) {
      const r = random(seed);
      const value = junk(r);
      const capture = {
        ...(junk(r, 1) as object),
        mountinfo: junk(r),
        directories: junk(r),
        unreadable: junk(r),
        processes: junk(r),
      };
      const attribution = attributeProcess(value as string[]);
      expect(Object.keys(attribution).sort()).toEqual(['containerId', 'infra', 'podUid', 'qos', 'runtime']);
      for (const input of [value, capture]) {
        const found = discover(input as NodeCapture);
        expect(['pods', 'containers-only', 'whole-system']).toContain(found.mode);
        expect(JSON.parse(replayLine(input as NodeCapture))).toEqual(replay(input as NodeCapture));
      }
    }
  });

  it('answers hostile lengths at once', () => {
    const started = performance.now();
    const long = 'kubepods-'.repeat(100_000);
    attributeProcess([`0::/${long}`, `0::/${'a-'.repeat(4000)}`, `0::/${'/x'.repeat(8000)}`]);
    attributeProcess(`${'0::/a\n'.repeat(100_000)}`);
    const deep = `/sys/fs/cgroup${'/kubepods'.repeat(1000)}`;
    discover({
      mountinfo: ['1 1 0:1 / /sys/fs/cgroup rw - cgroup2 c rw'],
      directories: [deep, `/sys/fs/cgroup/${long}`],
    });
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
