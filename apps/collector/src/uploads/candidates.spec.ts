import { decodeWindow, encodeWindow, type SampleInput } from '@perfleet/sampler';
import { describe, expect, it } from 'vitest';
import { candidates } from './candidates.ts';

const sample = (pid: number, ...binaries: ReadonlyArray<{ path: string; gnuBuildId?: string }>): SampleInput => ({
  process: { pid, executable: '/bin/a' },
  count: 1,
  stack: binaries.map((binary, i) => ({ kind: 'native' as const, binary, address: BigInt(i + 1) })),
});
const found = (samples: SampleInput[], isWanted: (gnu: string) => boolean = () => true) =>
  candidates(decodeWindow(encodeWindow({ taken: 1, lost: {}, samples, start: 1n, end: 2n, period: 1n })), isWanted);

describe('binaries of a window', () => {
  const app = { path: '/srv/app', gnuBuildId: '11223344' };
  const libc = { path: '/lib/libc.so', gnuBuildId: 'aabbccdd' };

  it('come once, each with a process that runs it', () => {
    expect(found([sample(7, app, libc), sample(8, libc), sample(9, app)])).toEqual([
      { gnu: app.gnuBuildId, path: app.path, pid: 7 },
      { gnu: libc.gnuBuildId, path: libc.path, pid: 7 },
    ]);
  });

  it('are asked about once for each build id, and left out when they are not wanted', () => {
    const asked: string[] = [];
    const copy = { ...libc, path: '/other/libc.so' };
    const wanted = (gnu: string) => (asked.push(gnu), gnu === libc.gnuBuildId);
    expect(found([sample(7, app), sample(8, libc, copy)], wanted)).toEqual([
      { gnu: libc.gnuBuildId, path: libc.path, pid: 8 },
    ]);
    expect(asked).toEqual([app.gnuBuildId, libc.gnuBuildId]);
  });

  it('without a build id or a path stay', () => {
    const strange = [{ path: '/a' }, { path: '[vdso]', gnuBuildId: '11223344' }, { path: '/b', gnuBuildId: '1122' }];
    expect(found([sample(7, ...strange)])).toEqual([]);
    expect(found([{ ...sample(7), stack: [{ kind: 'kernel', function: 'f', file: '' }] }])).toEqual([]);
  });
});
