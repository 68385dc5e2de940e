import type { Filters } from '@perfleet/fleet-config';
import type { PodName } from '@perfleet/pods';
import { decodeWindow, encodeWindow, type ExclusionChange, type ProcessInput, type Window } from '@perfleet/sampler';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DiscoveryState } from '../discovery/node-discovery.ts';
import type { Placement } from '../resource-labels.ts';
import { WindowFilter } from './window-filter.ts';

const UID = 'b81d383b-ddb2-4df3-a67d-33a6b0f041b3';
const ID = 'c'.repeat(64);
const POD_PATH = `/kubepods/pod${UID}/${ID}`;
const KNOWN: PodName = { namespace: 'shop', pod: 'web-1', container: 'app', labels: { app: 'web' }, annotations: {} };
const OPTED_OUT: PodName = { ...KNOWN, annotations: { 'perfleet.dev/profile': 'false' } };
const NOTHING: Filters = { rules: [], otherwise: 'include' };
const secrets: Filters = { rules: [{ action: 'exclude', match: { namespace: ['secret'] } }], otherwise: 'include' };

let filters: Filters;
let names: PodName | undefined;
let expected: boolean;
let paths: Map<string, string>;
let sent: ExclusionChange[];
let filter: WindowFilter;
let now = 0;
beforeEach(() => {
  [filters, names, expected, sent] = [NOTHING, KNOWN, true, []];
  paths = new Map([
    ['v2:7', POD_PATH],
    ['v2:8', '/system.slice/ssh.service'],
  ]);
  filter = new WindowFilter({
    filters: () => filters,
    discovery: {
      cgroupPath: (key, id) => paths.get(`${key}:${id}`) ?? '',
      state: { fallback: false } as DiscoveryState,
    },
    podName: () => names,
    annotationsExpected: () => expected,
    exclude: (change) => sent.push(change),
    now: () => now,
  });
});

const POD: ProcessInput = { pid: 10, comm: 'java', cgroupV2: 7n };
const HOST: ProcessInput = { pid: 11, comm: 'sshd', cgroupV2: 8n };
const windowOf = (...processes: ProcessInput[]): Window => {
  const stack = [{ kind: 'kernel', function: 'f' }];
  const samples = processes.map((process, i) => ({ process, count: 10 ** i, stack }));
  return decodeWindow(encodeWindow({ taken: 0, samples }));
};
const NOWHERE: Placement = { podUid: null, containerId: null };
/** The first process of the window is the pod's, the second one the host's. */
const subject = (index: number) =>
  index === 0
    ? { placement: { podUid: UID, containerId: ID }, names, attributed: true }
    : { placement: NOWHERE, names: undefined, attributed: true };
const kept = (waits = false, window = windowOf(POD, HOST)) => {
  const { window: left, filtered } = filter.apply(window, subject, waits);
  expect([...left.samples.count].reduce((a, b) => a + b, 0) + filtered).toBe(11);
  return [...left.samples.process].map((process) => left.processes.pid[process]);
};
const addedIds = () => sent.flatMap(({ add }) => add.map(({ hierarchy, id }) => `${hierarchy}:${id}`));
const removedIds = () => sent.flatMap(({ remove }) => remove.map(({ hierarchy, id }) => `${hierarchy}:${id}`));

describe('a filtered window', () => {
  it('is the same one where nothing is excluded', () => {
    const window = windowOf(POD, HOST);
    expect(filter.apply(window, subject, false)).toEqual({ window, filtered: 0 });
    expect(sent).toEqual([]);
  });

  it('has what rules and annotations leave', () => {
    filters = { rules: [{ action: 'exclude', match: { process: ['sshd'] } }], otherwise: 'include' };
    expect(kept()).toEqual([10]);
    filters = { rules: [{ action: 'exclude', match: { cgroup: ['/kubepods/*'] } }], otherwise: 'include' };
    expect(kept()).toEqual([11]);
    filters = { rules: [{ action: 'include', match: { podLabels: { app: ['web'] } } }], otherwise: 'exclude' };
    expect(kept()).toEqual([10]);
    names = OPTED_OUT;
    expect(kept()).toEqual([]);
    filters = NOTHING;
    expect(kept()).toEqual([11]);
  });

  it('keeps one sample in so many, by chance but as many as are due, and tells the sampler of the cgroup', () => {
    filters = {
      rules: [
        { action: 'include', match: { process: ['sshd'] }, oneIn: 4 },
        { action: 'include', match: { namespace: ['shop'] }, oneIn: 10 },
      ],
      otherwise: 'include',
    };
    const samples = (count: number) => [{ process: POD, count, stack: [] }];
    let kept = 0;
    for (let i = 0; i < 1000; i++) {
      const window = decodeWindow(encodeWindow({ taken: 0, samples: samples(3) }));
      const { window: left, filtered } = filter.apply(window, subject, false);
      expect(left.samples.count[0]! + filtered).toBe(3);
      expect([...left.samples.oneIn!]).toEqual([10]);
      kept += left.samples.count[0]!;
    }
    // 0 or 1 of 3 each: 300 on average, five times the deviation of sqrt(1000 * 0.3 * 0.7).
    expect(Math.abs(kept - 300)).toBeLessThan(75);
    // A process's name is not its cgroup's: the rule of sshd may mean it.
    expect(addedIds()).toEqual([]);
    filters = { ...filters, rules: filters.rules.slice(1) };
    filter.apply(windowOf(POD, HOST), subject, false);
    expect(sent.at(-1)).toEqual({ clear: false, add: [{ hierarchy: 'v2', id: 7n, oneIn: 10 }], remove: [] });
    // From then on they come thinned: nothing is taken away twice.
    const again = decodeWindow(encodeWindow({ taken: 0, samples: [{ process: POD, count: 3, oneIn: 10, stack: [] }] }));
    expect(filter.apply(again, subject, false)).toMatchObject({ filtered: 0, window: { samples: again.samples } });
    filters = { ...filters, rules: [{ ...filters.rules[0]!, oneIn: 20 }] };
    filter.apply(windowOf(POD, HOST), subject, false);
    expect(sent.at(-1)!.add).toEqual([{ hierarchy: 'v2', id: 7n, oneIn: 20 }]);
  });

  it('leaves blocked time out with the rest, and counts each of its stacks as one sample', () => {
    const { samples, ...rest } = windowOf(POD, HOST);
    const window = { ...rest, samples, offCpu: { ...samples, nanoseconds: BigUint64Array.of(5n, 7n) } };
    filters = { rules: [{ action: 'exclude', match: { process: ['sshd'] } }], otherwise: 'include' };
    const kept = filter.apply(window, subject, false);
    expect([...kept.window.offCpu.nanoseconds]).toEqual([5n]);
    expect([...kept.window.offCpu.process]).toEqual([...kept.window.samples.process]);
    expect(kept.filtered).toBe(samples.count[1]! + 1);
  });

  it('matches cgroups by what /proc said, too', () => {
    filters = { rules: [{ action: 'exclude', match: { cgroup: ['/a/*'] } }], otherwise: 'include' };
    const named = (cgroupFile: string) => kept(false, windowOf({ pid: 10, cgroupFile }, HOST));
    expect(named('3:cpu:/a/b\n0::/\n')).toEqual([11]);
    expect(named('3:cpu:/b\n0::/a\n')).toEqual([10, 11]);
    // Gone before anybody could read it: it may be one of those.
    expect(kept(false, windowOf({ pid: 10 }, HOST))).toEqual([11]);
  });

  it('keeps a pod that is not known yet out while it waits, and goes by the documented default after that', () => {
    names = undefined;
    for (const [what, unknown] of [[{}, undefined] as const, [{ unknown: 'exclude' as const }, 'exclude'] as const]) {
      filters = { ...secrets, ...what };
      expect(kept(true), String(unknown)).toEqual([11]);
      expect(kept(), String(unknown)).toEqual([11]);
    }
    filters = { ...secrets, unknown: 'include' };
    expect(kept(true)).toEqual([11]);
    expect(kept()).toEqual([10, 11]);
  });

  it('waits for the annotations of a pod where somebody could know them, and profiles it when nobody says', () => {
    names = undefined;
    expect(kept(true)).toEqual([11]);
    expect(kept()).toEqual([10, 11]);
    // Only the files of logs tell of pods: nobody reads annotations.
    expected = false;
    expect(kept(true)).toEqual([10, 11]);
    expect(kept()).toEqual([10, 11]);
    names = { namespace: 'shop', pod: 'web-1', container: 'app' };
    expect(kept()).toEqual([10, 11]);
    filters = { ...NOTHING, unknown: 'exclude' };
    expect(kept()).toEqual([11]);
  });
});

describe('the cgroups that the sampler is told of', () => {
  it('are those of which every process is excluded', () => {
    filters = { rules: [{ action: 'exclude', match: { namespace: ['shop'] } }], otherwise: 'include' };
    expect(kept()).toEqual([11]);
    expect(kept()).toEqual([11]);
    expect(addedIds()).toEqual(['v2:7']);
    filters = { rules: [{ action: 'include', match: { process: ['java'] } }], otherwise: 'exclude' };
    expect(kept()).toEqual([10]);
    // By the name of its process: another one of that cgroup may be included.
    expect(addedIds()).toEqual(['v2:7']);
    filters = { rules: [{ action: 'exclude', match: { process: ['java'] } }], otherwise: 'include' };
    expect(kept()).toEqual([11]);
    expect(addedIds()).toEqual(['v2:7']);
    filters = { rules: [{ action: 'exclude', match: { cgroup: ['/system.slice/*'] } }], otherwise: 'include' };
    kept();
    expect(addedIds()).toEqual(['v2:7', 'v2:8']);
    // Each change of filters made it begin anew.
    expect(sent.filter(({ clear }) => clear)).toHaveLength(3);
  });

  it('are not those of a pod that is only not known', () => {
    [filters, names] = [secrets, undefined];
    expect(kept()).toEqual([11]);
    expect(sent).toEqual([]);
  });

  it('are told again to a sampler that begins', () => {
    names = OPTED_OUT;
    kept();
    filter.samplerBegan();
    kept();
    expect(sent.map(({ clear, add }) => [clear, add.length])).toEqual([
      [false, 1],
      [true, 0],
      [false, 1],
    ]);
  });

  it('are, with two hierarchies, those that decide by themselves', () => {
    paths.set('memory:5', POD_PATH).set('v2:1', '/').set('memory:6', '/system.slice/ssh.service');
    const v1 = (process: ProcessInput, cgroupV1: bigint) => ({
      ...process,
      ...{ cgroupV2: 1n, cgroupV1, cgroupV1Controller: 'memory' },
    });
    filters = { rules: [{ action: 'include', match: { namespace: ['other'] } }], otherwise: 'exclude' };
    expect(kept(false, windowOf(v1(POD, 5n), v1(HOST, 6n)))).toEqual([]);
    // The host's may be a pod's by its other cgroup.
    expect(addedIds()).toEqual(['v1:5']);
  });

  it('are taken back when the pod says otherwise, or is gone', () => {
    now = 0;
    names = OPTED_OUT;
    kept();
    expect(addedIds()).toEqual(['v2:7']);
    names = KNOWN;
    const none = windowOf();
    filter.apply(none, subject, false);
    expect(removedIds()).toEqual([]);
    now = 10_001;
    filter.apply(none, subject, false);
    expect(removedIds()).toEqual(['v2:7']);
    names = OPTED_OUT;
    kept();
    paths.delete('v2:7');
    now = 20_002;
    filter.apply(none, subject, false);
    expect(removedIds()).toEqual(['v2:7', 'v2:7']);
  });
});
