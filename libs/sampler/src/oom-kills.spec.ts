import { expect, it } from 'vitest';
import { memoryFiles, OomKills } from './oom-kills.ts';

const mount = (root: string, point: string, type: string, options: string) =>
  `35 31 0:32 ${root} ${point} rw,relatime shared:7 - ${type} ${type} rw,${options}`;

it('finds the counter of either version where it is mounted', () => {
  const v1 = mount('/', '/sys/fs/cgroup/memory', 'cgroup', 'memory');
  expect(memoryFiles('4:memory:/a/b\n0::/', v1)).toEqual(['/sys/fs/cgroup/memory/a/b/memory.oom_control']);
  expect(memoryFiles('0::/a', mount('/', '/sys/fs/cgroup', 'cgroup2', 'nsdelegate'))).toEqual([
    '/sys/fs/cgroup/a/memory.events',
  ]);
});

it('takes a mount for what it shows: a part of the hierarchy, or another controller', () => {
  expect(memoryFiles('4:memory:/docker/x/y', mount('/docker/x', '/m', 'cgroup', 'memory'))).toEqual([
    '/m/y/memory.oom_control',
  ]);
  expect(memoryFiles('4:memory:/elsewhere', mount('/docker/x', '/m', 'cgroup', 'memory'))).toEqual([]);
  expect(memoryFiles('4:cpu:/a', mount('/', '/c', 'cgroup', 'cpu'))).toEqual([]);
});

it('is 0 about a process that is gone', () => expect(new OomKills(2 ** 22 + 1).since()).toBe(0));
