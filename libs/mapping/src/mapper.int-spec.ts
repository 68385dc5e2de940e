import { createHash } from 'node:crypto';
import type { RowBinaryBlock } from '@perfleet/clickhouse';
import { decodeProfiles, OtlpDecodeError, ProfilesEncoder } from '@perfleet/otlp';
import { WireWriter } from '@perfleet/otlp/wire';
import { Random } from '@perfleet/simulate';
import { describe, expect, it } from 'vitest';
import { LINKED_ROW_BYTES, ProfileMapper, SAMPLE_ROW_BYTES, type BlockTables, type MappedMessages } from './index.ts';
import { damaged, randomMessage } from './random-message.fixture.ts';
import { encodeFrames, encodeSamples, encodeSeries, encodeStacks } from './reference/encode.ts';
import { mapProfiles } from './reference/map-profiles.ts';
import type { MessageRows } from './reference/rows.ts';

const NOW = 1_700_000_000_000;
const SEEN = NOW / 1000;
/** Days since 1970: stacks and frames are seen by terms of 30 days. */
const TERM = Math.floor(NOW / 86_400_000 / 30) * 30;
const context = { node: 'n1', cluster: 'c', timestamp: NOW, shiftMs: 0 };
const newMapper = () => new ProfileMapper('c');
const message = (body: Uint8Array, shiftMs = 0) => ({ body, node: 'n1', timestamp: NOW, shiftMs });

/** Rows by the reference, or why the message cannot be used. */
function expected(body: Uint8Array, shiftMs = 0): MessageRows | string {
  try {
    return mapProfiles(decodeProfiles(body), { ...context, shiftMs });
  } catch (error) {
    if (error instanceof OtlpDecodeError) return error.message;
    throw error;
  }
}

function blockOf(mapper: ProfileMapper, ...mapped: MappedMessages[]): Promise<BlockTables> {
  return mapper.block({
    samples: mapped.map(({ samples }) => samples),
    linked: mapped.map(({ linked }) => linked),
    series: mapped.map(({ series }) => series),
    stacks: mapped.map(({ stacks }) => stacks),
    frames: mapped.map(({ frames }) => frames),
    seen: SEEN,
  });
}

const hex = (block: RowBinaryBlock | { bytes: Buffer }) =>
  createHash('sha256')
    .update(typeof block.bytes === 'function' ? block.bytes() : block.bytes)
    .digest('hex');

/** Each once, the first wins. */
const once = <R extends { id: bigint }>(rows: readonly R[]) => [
  ...new Map([...rows].reverse().map((row) => [row.id, row])).values(),
];

async function compare(
  bodies: readonly Uint8Array[],
  shiftMs = 0,
): Promise<{ used: number; linked: number; refused: Set<string> }> {
  const mapper = newMapper();
  const mapped = await mapper.open().map(bodies.map((body) => message(body, shiftMs)));
  const wanted = bodies.map((body) => expected(body, shiftMs));
  expect(mapped.reasons).toEqual(wanted.map((one) => (typeof one === 'string' ? one : '')));
  const rows = wanted.map((one) => (typeof one === 'string' ? null : one));
  expect([...mapped.stored]).toEqual(rows.map((one) => one?.stored ?? 0));
  expect([...mapped.clamped]).toEqual(rows.map((one) => one?.clamped ?? 0));
  expect([...mapped.ends].map((end, i) => end - (mapped.ends[i - 1] ?? 0))).toEqual(
    rows.map((one) => one?.samples.length ?? 0),
  );
  expect([...mapped.linkedEnds].map((end, i) => end - (mapped.linkedEnds[i - 1] ?? 0))).toEqual(
    rows.map((one) => one?.linked.length ?? 0),
  );
  const used = rows.filter((one) => one !== null);
  const block = await blockOf(mapper, mapped);
  const samples = used.flatMap((one) => one.samples);
  expect(hex(block.samples)).toBe(hex(encodeSamples(samples)));
  const linked = encodeSamples(used.flatMap((one) => one.linked));
  expect([block.linked.rows, hex(block.linked)]).toEqual([linked.rows, hex(linked)]);
  const sorted = <R extends { id: bigint }>(all: readonly R[]) =>
    once(all).sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const want = {
    series: encodeSeries(sorted(used.flatMap((one) => one.series)), SEEN),
    stacks: encodeStacks(sorted(used.flatMap((one) => one.stacks)), TERM),
    frames: encodeFrames(sorted(used.flatMap((one) => one.frames)), TERM),
  };
  for (const table of ['series', 'stacks', 'frames'] as const) {
    expect(block[table].rows).toBe(want[table].rows);
    expect(hex({ bytes: byId(mapped[table], table === 'series' ? Uint32Array.of(SEEN) : Uint16Array.of(TERM)) })).toBe(
      hex(want[table]),
    );
  }
  return { used: used.length, linked: linked.rows, refused: new Set(mapped.reasons.filter(Boolean)) };
}

/** Rows in the order of their ids, with the last column, `seen`, that they still lack. */
function byId({ bytes, ends }: MappedMessages['series'], seen: Uint16Array | Uint32Array): Buffer {
  const last = new Uint8Array(seen.buffer);
  const rows = [...ends].map((end, i) => Buffer.from([...bytes.subarray(ends[i - 1] ?? 0, end), ...last]));
  const id = (row: Buffer) => row.readBigUInt64LE(0);
  return Buffer.concat(rows.sort((a, b) => (id(a) < id(b) ? -1 : id(a) > id(b) ? 1 : 0)));
}

describe('against the reference', () => {
  const seed = Number(process.env['MAPPING_SEED'] ?? 1);
  const rounds = Number(process.env['MAPPING_ROUNDS'] ?? 60);

  it(`makes the same rows of random messages (seed ${seed})`, async () => {
    let [used, linked] = [0, 0];
    for (let round = 0; round < rounds; round++) {
      const random = new Random(seed, round);
      const bodies = Array.from({ length: 10 }, () => randomMessage(random));
      const compared = await compare(bodies, [0, 7_000, -90_000_000_000][round % 3]);
      used += compared.used;
      linked += compared.linked;
    }
    expect(used).toBeGreaterThan(rounds * 5);
    expect(linked).toBeGreaterThan(rounds * 5);
  });

  it(`refuses the same damaged messages for the same reasons (seed ${seed})`, async () => {
    const refused = new Set<string>();
    for (let round = 0; round < rounds; round++) {
      const random = new Random(seed, round, 1);
      const bodies = Array.from({ length: 20 }, () => damaged(random, randomMessage(random)));
      for (const reason of (await compare(bodies)).refused) refused.add(reason.replace(/\d+/g, 'N'));
    }
    expect(refused.size).toBeGreaterThan(10);
  });
});

/** One stack of one location that the node named, counted once. */
function named(change: (e: ProfilesEncoder) => ReadonlyArray<readonly [string, string]>, samples = 1): Uint8Array {
  const e = new ProfilesEncoder();
  const profile = e.resource(change(e)).profile({
    sampleType: { type: 'samples', unit: 'count' },
    periodType: { type: 'cpu', unit: 'nanoseconds' },
    period: 10,
    timeUnixNano: BigInt(NOW) * 1_000_000n,
    durationNano: 0n,
  });
  for (let i = 0; i < samples; i++)
    profile.sample(e.stack([e.location({ kind: 'kernel', lines: [[e.func('f', ''), i]] })]), [], 1);
  return e.finish();
}

describe('what is written', () => {
  it('is left out, and the samples are the same', async () => {
    const mapper = newMapper();
    const body = named(() => [['service.name', 'a']], 3);
    const first = await blockOf(mapper, await mapper.open().map([message(body)]));
    expect([first.series.rows, first.stacks.rows, first.frames.rows]).toEqual([1, 3, 3]);
    await mapper.written(first.series.ids, first.stacks.ids, first.frames.ids, SEEN);
    const mapped = await mapper.open().map([message(body)]);
    expect([mapped.series, mapped.stacks, mapped.frames].map(({ ends }) => ends.length)).toEqual([0, 0, 0]);
    expect((await blockOf(mapper, mapped)).samples.bytes).toEqual(first.samples.bytes);
    const tomorrow = await mapper.open().map([{ ...message(body), timestamp: NOW + 86_400_000 }]);
    expect([tomorrow.series, tomorrow.stacks].map(({ ends }) => ends.length)).toEqual([1, 0]);
    const later = (TERM + 30) * 86_400_000;
    const nextTerm = await mapper.open().map([{ ...message(body), timestamp: later }]);
    expect([nextTerm.series, nextTerm.stacks, nextTerm.frames].map(({ ends }) => ends.length)).toEqual([1, 3, 3]);
  });

  it('is looked up again when a block is made: another partition may have been faster', async () => {
    const mapper = newMapper();
    const [one, two] = await Promise.all(
      ['a', 'b'].map((service) => mapper.open().map([message(named(() => [['service.name', service]], 2))])),
    );
    const first = await blockOf(mapper, one!);
    await mapper.written(first.series.ids, first.stacks.ids, first.frames.ids, SEEN);
    const second = await blockOf(mapper, two!);
    expect([second.series.rows, second.stacks.rows, second.frames.rows, second.samples.rows]).toEqual([1, 0, 0, 2]);
  });

  it('is given once to a sequence of messages, until that forgets', async () => {
    const messages = newMapper().open();
    const lengths = async (service: string, count: number) => {
      const { series, stacks, frames } = await messages.map([message(named(() => [['service.name', service]], count))]);
      return [series, stacks, frames].map(({ ends }) => ends.length);
    };
    expect(await lengths('a', 2)).toEqual([1, 2, 2]);
    expect(await lengths('a', 3)).toEqual([0, 1, 1]);
    expect(await lengths('b', 3)).toEqual([1, 0, 0]);
    messages.forget();
    expect(await lengths('b', 3)).toEqual([1, 3, 3]);
  });
});

describe('hostile messages', () => {
  const only = async (body: Uint8Array) => {
    const mapped = await newMapper()
      .open()
      .map([message(body), message(named(() => []))]);
    expect(mapped.reasons[1]).toBe('');
    expect(mapped.samples.byteLength / SAMPLE_ROW_BYTES).toBe(mapped.ends[1]);
    return mapped.reasons[0];
  };
  /** `[field, message]` entries of the dictionary, and a profile of samples of each stack. */
  const request = (dictionary: (w: WireWriter) => void, stacks: number) =>
    new WireWriter()
      .message(2, dictionary)
      .message(1, (r) =>
        r.message(2, (s) =>
          s.message(2, (p) => {
            for (let i = 0; i < stacks; i++) p.message(2, (sample) => sample.integer(1, i));
          }),
        ),
      )
      .bytes()
      .slice();

  it('cannot have a table of one long name on very many lines', async () => {
    const body = request((d) => {
      d.text(5, '').text(5, 'x'.repeat(60_000));
      d.message(3, (f) => f.integer(1, 1));
      for (let at = 0; at < 2_000; at++) d.message(2, (l) => l.message(3, (line) => line.integer(2, at)));
      d.message(7, () => undefined);
    }, 0);
    expect(await only(body)).toMatch(/hashes of more than 64 MiB/);
  });

  it('cannot have stacks of a location of very many lines', async () => {
    const body = request((d) => {
      d.message(2, (l) => {
        for (let line = 0; line < 1000; line++) l.message(3, (w) => w.integer(2, line));
      });
      for (let stack = 0; stack < 20; stack++) d.message(7, (s) => s.packed(1, new Array<number>(1000).fill(0)));
    }, 20);
    expect(await only(body)).toMatch(/hashes of more than 64 MiB/);
  });

  it('cannot have very many series of large labels', async () => {
    const label = (i: number) => `perfleet.label.l${i}`;
    const e = new ProfilesEncoder();
    const labels = Array.from({ length: 31 }, (_, i) => [label(i), 'v'.repeat(1024)] as const);
    const profile = e.resource(labels).profile({
      sampleType: { type: 'samples', unit: 'count' },
      periodType: { type: 'cpu', unit: 'nanoseconds' },
      period: 1,
      timeUnixNano: 0n,
      durationNano: 0n,
    });
    const stack = e.stack([e.location({ kind: 'native' })]);
    for (let i = 0; i < 3000; i++) profile.sample(stack, [e.attribute(label(31), `v${i}`)], 1);
    expect(await only(e.finish())).toMatch(/series take more than 64 MiB/);
  });

  it('keep the first labels by name, and lose what a sample takes away', async () => {
    const e = new ProfilesEncoder();
    const labels = Array.from(
      { length: 40 },
      (_, i) => [`perfleet.label.l${String(i).padStart(2, '0')}`, 'v'] as const,
    );
    const profile = e.resource(labels).profile({
      sampleType: { type: 'samples', unit: 'count' },
      periodType: { type: 'cpu', unit: 'nanoseconds' },
      period: 1,
      timeUnixNano: 0n,
      durationNano: 0n,
    });
    const stack = e.stack([e.location({ kind: 'native' })]);
    profile.sample(stack, [e.attribute('perfleet.label.l03', 1), e.attribute('perfleet.label.l05', '')], 1);
    profile.sample(stack, [], 1);
    await compare([e.finish()]);
  });

  it('keep every sample whatever is wrong with their links', async () => {
    const [trace, span] = [new Uint8Array(16).fill(1), new Uint8Array(8).fill(2)];
    const body = new WireWriter()
      .message(2, (d) => {
        // Not the unset one, which index 0 stands for all the same.
        d.message(4, (l) => l.data(1, trace).data(2, span));
        d.message(4, (l) => l.data(1, trace).data(2, span));
        d.message(4, (l) => l.data(1, trace.subarray(1)).data(2, span));
        d.message(4, (l) => l.data(1, trace).data(2, new Uint8Array(9)));
        d.message(4, (l) => l.data(1, new Uint8Array(16)).data(2, new Uint8Array(8)));
        d.message(4, (l) => l.data(2, span));
        d.data(4, Uint8Array.of(0x0a, 0x7f));
        d.tag(4, 0).varint(7);
      })
      .message(1, (r) =>
        r.message(2, (scope) =>
          scope.message(2, (p) => {
            for (const link of [0, 1, 2, 3, 4, 5, 6, 7, 99, 0xffff_ffff, -1])
              p.message(2, (s) => s.tag(3, 0).varint(BigInt(link)));
            p.message(2, (s) => s.data(3, Uint8Array.of(1)));
          }),
        ),
      )
      .bytes()
      .slice();
    expect(await compare([body])).toEqual({ used: 1, linked: 2, refused: new Set() });
    const { samples, linked } = await newMapper()
      .open()
      .map([message(body)]);
    expect([samples.length / SAMPLE_ROW_BYTES, linked.length / LINKED_ROW_BYTES]).toEqual([12, 2]);
    const ids = (row: number) =>
      Buffer.from(linked.subarray(row * LINKED_ROW_BYTES + 28, (row + 1) * LINKED_ROW_BYTES - 8)).toString('hex');
    expect([ids(0), ids(1)]).toEqual(['01'.repeat(16) + '02'.repeat(8), '00'.repeat(16) + '02'.repeat(8)]);
  });

  it('has no more locations in a stack than the limit, in one field or in many', async () => {
    const long = (write: (s: WireWriter) => void) => request((d) => d.message(7, write), 1);
    const bodies = [1024, 1025].flatMap((depth) => [
      long((s) => s.packed(1, new Array<number>(depth).fill(0))),
      long((s) => {
        for (let i = 0; i < depth; i++) s.tag(1, 0).varint(0);
      }),
    ]);
    const { used, refused } = await compare(bodies);
    expect(used).toBe(2);
    expect([...refused].every((reason) => /more than 1024 entries in one row/.test(reason))).toBe(true);
  });
});
