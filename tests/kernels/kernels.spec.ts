import { describe, expect, it } from 'vitest';
import { NOTHING_BLOCKED } from '@perfleet/sampler';
import { assertBalanced, assertNoMixUp, readStream, type Context, type Program, type Stream } from './checks.ts';
import { scenariosScript } from './guest.ts';
import { newestOfSeries } from './packages.ts';
import { SCENARIOS } from './scenarios.ts';
import { renderTable } from './table.ts';

describe('kernels', () => {
  it('takes the newest package of each series, by number and not by letter', () => {
    const names = [
      ...['linux-image-6.1.0-9-amd64', 'linux-image-6.1.0-50-amd64', 'linux-image-5.10.0-46-amd64'],
      ...['linux-image-6.1.0-51-cloud-amd64', 'linux-image-6.1.0-52-rt-amd64', 'linux-image-6.1.0-0.deb11.53-amd64'],
      ...['linux-image-amd64', 'linux-image-6.1-amd64', 'linux-image-6.12.9+deb13-amd64'],
      ...['linux-image-6.12.117+deb13-amd64', 'linux-image-6.12.117+deb13-amd64-dbg', ''],
    ];
    expect([...newestOfSeries(names)]).toEqual([
      ['5.10', 'linux-image-5.10.0-46-amd64'],
      ['6.1', 'linux-image-6.1.0-50-amd64'],
      ['6.12', 'linux-image-6.12.117+deb13-amd64'],
    ]);
  });
});

describe('scenarios', () => {
  it('have names of their own, and each writes the stream that it is judged by', () => {
    expect(new Set(SCENARIOS.map(({ name }) => name)).size).toBe(SCENARIOS.length);
    for (const { name, guest } of SCENARIOS) {
      expect(guest).toMatch(new RegExp(`sample ${name} |/out/${name}\\.bin`));
      expect(scenariosScript(SCENARIOS)).toContain(`send ${name}\necho "@@ done ${name}"`);
    }
  });
});

describe('checks', () => {
  const window = (taken: number, counts: number[], lost: number, last: boolean) =>
    ({
      taken,
      lost: { 'map-full': lost },
      last,
      samples: { count: Uint32Array.from(counts) },
      offCpu: NOTHING_BLOCKED,
    }) as never;
  const stream = (...windows: never[]): Stream => ({ hello: { rung: 1, reason: '', kernel: '' }, windows, logs: [] });

  it('want every sample delivered or lost, window by window', () => {
    assertBalanced(stream(window(5, [2, 3], 0, false), window(9, [1, 2], 1, true)));
    expect(() => assertBalanced(stream(window(5, [2, 2], 0, true)))).toThrow('5 taken, 4 delivered, 0 lost');
    expect(() => assertBalanced(stream(window(5, [2, 3], 0, false)))).toThrow('last window');
    expect(() => assertBalanced(stream(window(0, [], 0, true)))).toThrow('no samples');
  });

  it('refuse a stream without a hello and one that is cut', () => {
    expect(() => readStream(new Uint8Array(0))).toThrow('did not say hello');
    const hello = new TextEncoder().encode('{"rung":4}');
    const bytes = new Uint8Array([hello.length + 1, 0, 0, 0, 1, ...hello]);
    expect(readStream(bytes).hello.rung).toBe(4);
    expect(() => readStream(new Uint8Array([...bytes, 9, 0]))).toThrow('inside a frame');
  });

  it('notice a frame of the program that had the pid before', () => {
    const program = (path: string): Program => ({ path, entry: 0n, symbols: [] });
    const context = { short: program('/bin/short'), other: program('/bin/other') } as Context;
    const strings = ['', 'native', '/bin/short', '/bin/other'];
    const samples = (binaryOfSecond: number) =>
      ({
        ...{ strings, lost: {}, taken: 2, last: true },
        samples: { process: [0, 1], stack: [0, 1], count: Uint32Array.of(1, 1) },
        processes: { pid: [7, 7], executable: [2, 3], cgroupV2: [1n, 1n] },
        stacks: { offset: [0, 1, 2], frame: Uint32Array.of(0, 1), flags: [0, 0] },
        frames: { kind: [1, 1], function: [1, 1], binary: [0, binaryOfSecond], address: [1n, 2n] },
        binaries: { path: [2, 3], gnuBuildId: [0, 0] },
      }) as never;
    expect(assertNoMixUp(stream(samples(1)), context)).toBe(1);
    expect(() => assertNoMixUp(stream(samples(0)), context)).toThrow(
      'a sample of /bin/other has a frame of /bin/short',
    );
  });
});

it('the table says what failed and why', () => {
  const text = renderTable(
    ['rung 1', 'rung 2 forced'],
    [
      {
        ...{ series: '5.10', release: '5.10.0-46-amd64', features: ['walk:tail-calls'] },
        outcomes: { 'rung 1': { ok: true, text: '9/9' }, 'rung 2 forced': { ok: false, text: 'a | b' } },
      },
    ],
    '2026-11-26',
  );
  expect(text).toContain('| 5.10.0-46-amd64 | tail-calls | from files | 9/9 | **fails**: a \\| b |');
});
