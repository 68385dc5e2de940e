import { describe, expect, it } from 'vitest';
import { decodeWindow } from './decode-window.ts';
import { encodeWindow, type WindowInput } from './encode-window.ts';
import { SamplerProtocolError } from './errors.ts';
import { NO_BINARY } from './window.ts';

const libc = { path: '/usr/lib/libc.so.6', gnuBuildId: 'abcd' };
const burn = {
  pid: 7,
  comm: 'burn',
  executable: '/bin/burn',
  cgroupFile: '0::/a\n',
  cgroupV2: 77n,
  cgroupV1: 1n << 40n,
  cgroupV1Controller: 'memory',
};
const input: WindowInput = {
  last: true,
  start: 1_700_000_000_000_000_000n,
  end: 1_700_000_005_000_000_000n,
  period: 52_631_578n,
  taken: 12,
  lost: { 'map-full': 2 },
  samples: [
    {
      process: burn,
      thread: 'worker-é',
      count: 7,
      stack: [
        { kind: 'native', binary: libc, address: 0xffff_ffff_0000_1234n },
        { kind: 'kernel', function: 'do_syscall_64', file: 'vmlinux' },
      ],
    },
    { process: burn, thread: '', count: 3, oneIn: 10, stack: [] },
  ],
  offCpu: [
    {
      process: burn,
      thread: 'waits',
      count: 2,
      nanoseconds: 1n << 62n,
      stack: [{ kind: 'kernel', function: '__schedule' }],
    },
  ],
};

describe('decodeWindow', () => {
  it('reads back what was written', () => {
    const w = decodeWindow(encodeWindow(input));
    const text = (i: number | undefined) => w.strings[i!];
    expect(w).toMatchObject({
      last: true,
      start: input.start,
      end: input.end,
      period: input.period,
      taken: 12,
      lost: { 'map-full': 2 },
    });
    expect([...w.samples.count]).toEqual([7, 3]);
    expect([...w.stacks.offset]).toEqual([0, 2, 2, 3]);
    expect([...w.frames.address]).toEqual([0xffff_ffff_0000_1234n, 0n, 0n]);
    expect([...w.frames.binary]).toEqual([0, NO_BINARY, NO_BINARY]);
    expect([...w.frames.kind].map(text)).toEqual(['native', 'kernel', 'kernel']);
    expect([text(w.frames.function[1]), text(w.frames.file[1])]).toEqual(['do_syscall_64', 'vmlinux']);
    expect([text(w.binaries.path[0]), text(w.binaries.gnuBuildId[0]), text(w.binaries.htlHash[0])]).toEqual([
      libc.path,
      'abcd',
      '',
    ]);
    expect(text(w.samples.thread[0])).toBe('worker-é');
    expect([w.processes.pid[0], text(w.processes.comm[0]), text(w.processes.executable[0])]).toEqual([
      7,
      'burn',
      '/bin/burn',
    ]);
    expect([w.processes.cgroupV2[0], w.processes.cgroupV1[0], text(w.processes.cgroupV1Controller[0])]).toEqual([
      77n,
      1n << 40n,
      'memory',
    ]);
    expect(text(w.processes.cgroupFile[0])).toBe('0::/a\n');
  });

  it('reads blocked time beside the samples', () => {
    const { offCpu, stacks, frames, strings } = decodeWindow(encodeWindow(input));
    expect([[...offCpu.process], [...offCpu.count], [...offCpu.nanoseconds]]).toEqual([[0], [2], [1n << 62n]]);
    expect(strings[offCpu.thread[0]!]).toBe('waits');
    const frame = stacks.frame[stacks.offset[offCpu.stack[0]!]!]!;
    expect(strings[frames.function[frame]!]).toBe('__schedule');
    expect(decodeWindow(encodeWindow({ ...input, offCpu: [] })).offCpu.count).toHaveLength(0);
  });

  it('reads how many samples each stands for', () => {
    expect([...decodeWindow(encodeWindow(input)).samples.oneIn!]).toEqual([1, 10]);
    expect(decodeWindow(encodeWindow({ taken: 0, samples: [] })).samples.oneIn).toBeUndefined();
  });

  it('reads a payload that starts at any address', () => {
    const payload = encodeWindow(input);
    const shifted = new Uint8Array(payload.length + 5);
    shifted.set(payload, 5);
    expect(decodeWindow(shifted.subarray(5))).toEqual(decodeWindow(payload));
  });

  it('reads a window without samples', () => {
    expect(decodeWindow(encodeWindow({ taken: 0, samples: [] })).samples.count).toHaveLength(0);
  });

  it('refuses every cut of a payload', () => {
    const payload = encodeWindow(input);
    for (let n = 0; n < payload.length - 8; n++) {
      expect(() => decodeWindow(payload.subarray(0, n)), `cut at ${n}`).toThrow(SamplerProtocolError);
    }
    expect(() => decodeWindow(Buffer.concat([payload, Buffer.alloc(8)]))).toThrow(SamplerProtocolError);
  });

  it('gives only indices in range, or refuses, whatever word is changed', () => {
    const payload = encodeWindow(input);
    let refused = 0;
    for (let at = 0; at + 4 <= payload.length; at += 4) {
      for (const value of [0xffffffff, 0x7fffffff, 9, 200]) {
        const hostile = payload.slice();
        new DataView(hostile.buffer).setUint32(at, value, true);
        try {
          assertInRange(decodeWindow(hostile));
        } catch (error) {
          expect(error, `word ${at / 4} = ${value}`).toBeInstanceOf(SamplerProtocolError);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});

function assertInRange(w: ReturnType<typeof decodeWindow>): void {
  const check = (column: Uint32Array, limit: number, none = -1) => {
    for (const value of column) if (value >= limit && value !== none) throw new Error(`index ${value} of ${limit}`);
  };
  for (const samples of [w.samples, w.offCpu]) {
    check(samples.process, w.processes.pid.length);
    check(samples.stack, w.stacks.flags.length);
    check(samples.thread, w.strings.length);
  }
  check(w.stacks.frame, w.frames.kind.length);
  check(w.stacks.offset, w.stacks.frame.length + 1);
  check(w.frames.binary, w.binaries.path.length, NO_BINARY);
  for (const column of [w.frames.kind, w.frames.function, w.frames.file]) check(column, w.strings.length);
  for (const column of [w.binaries.path, w.binaries.gnuBuildId, w.binaries.htlHash]) check(column, w.strings.length);
  for (const column of [
    w.processes.comm,
    w.processes.executable,
    w.processes.cgroupFile,
    w.processes.cgroupV1Controller,
  ])
    check(column, w.strings.length);
}
