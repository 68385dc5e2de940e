import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { discover } from './discover.ts';
import type { NodeCapture } from './model.ts';
import { replay } from './replay.ts';

interface Layout extends NodeCapture {
  readonly name: string;
  readonly description: string;
  readonly processes: Array<{ name: string; procCgroup: string[]; expected: Record<string, string | null> }>;
  readonly expectedNode: { mode: string; podRoots: string[] };
}

const layouts = JSON.parse(readFileSync(new URL('../fixtures/layouts.json', import.meta.url), 'utf8')) as Layout[];
const byName = (name: string) => layouts.find((layout) => layout.name === name)!;

describe('layouts, one for each rule', () => {
  it.each(layouts.map((layout) => [layout.name, layout] as const))('%s', (_, layout) => {
    const { mode, podRoots, processes } = replay(layout);
    expect({ mode, podRoots }).toEqual(layout.expectedNode);
    expect(processes.map(({ name, podUid, containerId, qos }) => ({ name, podUid, containerId, qos }))).toEqual(
      layout.processes.map(({ name, expected }) => ({ name, ...expected })),
    );
  });
});

describe('discover', () => {
  it('lists pods with class, path and containers', () => {
    const { pods } = discover(byName('two classes, cgroupfs'));
    expect(pods.map(({ qos, path, containers }) => [qos, path.split('/').length, containers.length])).toEqual([
      ['guaranteed', 3, 1],
      ['burstable', 4, 1],
    ]);
  });

  it('says why a root is not used', () => {
    const unreadable = discover(byName('kubepods cannot be listed'));
    expect(unreadable.reason).toContain('/kubepods cannot be listed: EACCES');
    expect(unreadable.fallback).toBe(true);
    expect(discover(byName('left over from another driver')).reason).toContain('/kubepods is stale');
  });

  it('is healthy on a machine where no Kubernetes is evident, and a fallback where it is', () => {
    const machine = byName('a machine without containers');
    expect(discover(machine).fallback).toBe(false);
    expect(discover(machine, { kubernetesEvident: true }).fallback).toBe(true);
    expect(discover(byName('no class directories'), { kubernetesEvident: true }).fallback).toBe(false);
  });

  it('keeps the mounts it does not use, with the reason', () => {
    const { hierarchies } = discover(byName('host mount in a private namespace'));
    expect(hierarchies.map(({ id, mountpoint, rejected }) => [id, mountpoint, rejected === undefined])).toEqual([
      ['0:26', '/h/cg', true],
      ['0:26', '/sys/fs/cgroup', false],
    ]);
    const escaped = discover(byName('escaped mountpoints with odd names')).hierarchies;
    expect(escaped).toEqual([{ id: '0:31', version: 1, controllers: ['cpu'], mountpoint: '/mnt/my cg', root: '/' }]);
  });

  it('tells where the kubelet and the node disagree, without believing either', () => {
    const kubelet = { cgroupsPerQOS: true, cgroupDriver: 'systemd' };
    const found = discover(byName('two classes, cgroupfs'), { kubelet });
    expect(found.reason).toContain('cgroupDriver: systemd');
    expect(found.podRoots).toEqual(['/kubepods']);
    expect(found.kubeletMismatches).toEqual([
      'the kubelet declares cgroupDriver: systemd, and its directories are no slices',
    ]);
    expect(discover(byName('two classes, cgroupfs'), { kubelet: { cgroupsPerQOS: true } }).kubeletMismatches).toEqual(
      [],
    );
    expect(discover(byName('a machine without containers'), { kubelet }).reason).toContain('cgroupsPerQOS: true');
  });
});
