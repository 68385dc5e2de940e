import { namedFrameId, nativeFrameId, stackId } from '@perfleet/ids';
import { decodeProfiles, ProfilesEncoder } from '@perfleet/otlp';
import { describe, expect, it } from 'vitest';
import { BUILD_ID, knownBody, KNOWN_COUNT, PERIOD } from './fixtures.ts';
import { encodeSamples } from './encode.ts';
import { NativeFrames } from './frames.ts';
import { parseRange } from './block-handler.ts';
import { RecentIds } from './lru.ts';
import { mapProfiles, noMemory } from './map-profiles.ts';
import { id64, type FrameRow } from './rows.ts';
import { seriesType } from './series-labels.ts';

const context = { node: 'n1', cluster: 'c', timestamp: 5_000, shiftMs: 0 };

describe('mapProfiles', () => {
  it('makes ids root first, one series for all pids and threads, values in nanoseconds', () => {
    const rows = mapProfiles(decodeProfiles(knownBody(1000)), context);
    const main = nativeFrameId('native', `gnu:${BUILD_ID}`, 0x1000n);
    const work = nativeFrameId('native', `gnu:${BUILD_ID}`, 0x2000n);
    expect(new BigUint64Array(rows.samples.stack.buffer)[0]).toBe(
      stackId([main, work, namedFrameId('cpython', 'handler', 'app.py', 12)]),
    );
    expect(rows.series).toHaveLength(1);
    expect([...rows.samples.value.slice(0, rows.samples.length)]).toEqual([3, 1, 1, 1].map((n) => n * PERIOD));
    expect([...rows.samples.time.slice(0, rows.samples.length)]).toEqual([1000, 1000, 1000, 1001]);
    expect(rows.stored).toBe(KNOWN_COUNT);
  });

  it('shifts the times it was given and uses the broker time where there is none', () => {
    const shifted = mapProfiles(decodeProfiles(knownBody(1000)), { ...context, shiftMs: 7_000 });
    expect(shifted.samples.time[0]).toBe(1007);
    expect(mapProfiles(decodeProfiles(knownBody(0)), context).samples.time[0]).toBe(5);
  });

  it('keeps another type as it is', () => {
    const e = new ProfilesEncoder();
    const profile = e.resource([['host.name', 'other']]).profile({
      sampleType: { type: 'alloc_space', unit: 'bytes' },
      periodType: { type: 'space', unit: 'bytes' },
      period: 512,
      timeUnixNano: 1n,
      durationNano: 0n,
    });
    profile.sample(e.stack([]), [], 4096);
    const rows = mapProfiles(decodeProfiles(e.finish()), context);
    expect(rows.series[0]).toMatchObject({ node: 'other', type: 'alloc_space', unit: 'bytes', period: 512 });
    expect([rows.samples.length, rows.samples.value[0], rows.stored]).toEqual([1, 4096, 1]);
  });
});

it('multiplies only counted CPU samples', () => {
  const cpu = { type: 'cpu', unit: 'nanoseconds' };
  expect(seriesType({ type: 'samples', unit: 'count' }, cpu, 10)).toMatchObject({
    type: 'cpu',
    unit: 'nanoseconds',
    factor: 10,
  });
  expect(seriesType(cpu, cpu, 10)).toMatchObject({ type: 'cpu', unit: 'nanoseconds', factor: 1 });
});

it('reads a stored range and nothing else', () => {
  expect(parseRange('{"from":"3","to":"9"}')).toEqual({ from: 3n, to: 9n });
  for (const bad of ['', undefined, 'x', '{}', '{"from":"9","to":"3"}', '{"from":"a","to":"3"}', 'null'])
    expect(parseRange(bad)).toBeNull();
});

it('forgets the oldest ids, keeps at least half of its bound, and knows days apart', () => {
  const ids = new RecentIds(4);
  for (let i = 1n; i <= 5n; i++) ids.add(id64(i), 1);
  expect([1n, 2n, 3n, 4n, 5n].map((i) => ids.has(id64(i), 1))).toEqual([false, false, true, true, true]);
  expect([ids.has(id64(5n), 2), ids.size]).toEqual([false, 3]);
});

it('leaves out what is written and makes the same samples of it', () => {
  const whole = mapProfiles(decodeProfiles(knownBody(1000)), context);
  const memory = { ...noMemory(), stackWritten: () => true };
  const short = mapProfiles(decodeProfiles(knownBody(1000)), context, memory);
  expect([short.stacks, short.frames]).toEqual([[], []]);
  expect(short.samples).toEqual(whole.samples);
  const frameWritten = (frame: FrameRow) => frame.kind === 'native';
  const named = mapProfiles(decodeProfiles(knownBody(1000)), context, { ...noMemory(), frameWritten });
  expect(named.stacks).toEqual(whole.stacks);
  expect(named.frames.map((frame) => frame.kind)).toEqual(['cpython']);
});

it('makes the same rows with what it remembers, and when it had to forget', () => {
  const whole = mapProfiles(decodeProfiles(knownBody(1000)), context);
  const memory = { ...noMemory(), native: new NativeFrames(1) };
  for (let i = 0; i < 3; i++) expect(mapProfiles(decodeProfiles(knownBody(1000)), context, memory)).toEqual(whole);
});

it('adds up rows of one second, series and stack in a block', () => {
  const rows = mapProfiles(decodeProfiles(knownBody(1000)), context).samples;
  const block = encodeSamples([rows, rows]);
  expect(block.rows).toBe(3);
  const values = Array.from({ length: 3 }, (_, i) => Number(block.bytes().readBigUInt64LE(i * 28 + 20)));
  expect(values).toEqual([6, 4, 2].map((n) => n * PERIOD));
  expect(block.bytes().readUInt32LE(0)).toBe(1000);
});
