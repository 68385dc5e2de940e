import type { PprofFrame, PprofInput, PprofMapping } from './model.ts';

/** Three samples: an inlined function, a kernel frame over the same caller, an address without a name. */
export function exampleProfile(): PprofInput {
  const demo: PprofMapping = { path: '/opt/demo', buildId: 'abcdef01' };
  const libc: PprofMapping = { path: '/usr/lib/libc.so.6', buildId: '' };
  const main: PprofFrame = { address: 0x1010n, mapping: demo, lines: [{ function: 'main', file: 'main.c', line: 9 }] };
  const hot: PprofFrame = {
    address: 0x1100n,
    mapping: demo,
    lines: [
      { function: 'tiny', file: 'tiny.h', line: 3 },
      { function: 'hot', file: 'hot.c', line: 20 },
    ],
  };
  const kernel: PprofFrame = { address: 0xffff_ffff_8100_0000n, lines: [{ function: 'schedule', file: '', line: 0 }] };
  const unknown: PprofFrame = { address: 0x1234n, mapping: libc, lines: [] };
  const labels = [
    ['process', 'demo'],
    ['thread', 'main'],
    ['pid', 42],
  ] as const;
  return {
    sampleTypes: [
      { type: 'samples', unit: 'count' },
      { type: 'cpu', unit: 'nanoseconds' },
    ],
    periodType: { type: 'cpu', unit: 'nanoseconds' },
    period: 10_101_010,
    timeNanos: 1_764_000_000_123_456_789n,
    durationNanos: 5_000_000_000n,
    mainBinary: '/opt/demo',
    comments: ['recorded by a test'],
    samples: [
      { stack: [hot, main], values: [3, 30_303_030], labels },
      { stack: [kernel, main], values: [1, 2n ** 53n + 1n] },
      { stack: [unknown], values: [1, 10_101_010] },
      { stack: [], values: [2, 20_202_020] },
    ],
  };
}
