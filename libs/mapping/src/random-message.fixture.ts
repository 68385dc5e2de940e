import { WireWriter } from '@perfleet/otlp/wire';
import type { Random } from '@perfleet/simulate';

/** Keys that mean something, so that random attributes do. */
const KEYS = [
  'profile.frame.type',
  'process.executable.build_id.gnu',
  'process.executable.build_id.htlhash',
  'process.pid',
  'k8s.cluster.name',
  'k8s.node.name',
  'host.name',
  'k8s.namespace.name',
  'k8s.pod.name',
  'k8s.pod.uid',
  'k8s.container.name',
  'container.name',
  'container.id',
  'service.name',
  'process.executable.name',
  'process.executable.path',
  'perfleet.attribution',
  'perfleet.label.',
  'perfleet.label.attribution',
  'perfleet.label.team',
  'perfleet.label.zone',
  'perfleet.label.span_id',
  'perfleet.label.trace_id',
  'perfleet.label.\u{ff5e}',
  'perfleet.label.😀',
  `perfleet.label.${'n'.repeat(127)}é`,
  `perfleet.label.${'n'.repeat(127)}😀`,
];
const TEXTS = [
  '',
  'a',
  'none',
  'native',
  'kernel',
  'samples',
  'count',
  'cpu',
  'nanoseconds',
  'bytes',
  '[anon]',
  '/opt/bin/app',
  '/usr/bin/häufig/',
  '日本語',
  '\ufeffmark',
  `${'x'.repeat(1023)}😀`,
  'y'.repeat(1025),
];
/** Not UTF-8: cut off, overlong, half a pair. */
const BROKEN = [[0xff], [0xe2, 0x82], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0x61, 0xf0, 0x9f, 0x98, 0x62]];
const NUMBERS = [0n, 1n, 2n, 127n, 128n, 10_000_000n, 0xffff_ffffn, 1n << 53n, (1n << 63n) - 1n, -1n, -5n];
const NANOSECONDS = [0n, 1n, 999_999n, 1_700_000_000_000_000_000n, 1_699_999_999_123_456_789n, (1n << 64n) - 1n];

/** A request with everything that this project reads, in odd places and amounts; nearly always one that can be decoded. */
export function randomMessage(random: Random): Uint8Array {
  const pick = <T>(all: readonly T[]): T => all[random.below(all.length)]!;
  const times = (most: number, work: (i: number) => void) => {
    for (let i = random.below(most + 1); i > 0; i--) work(i);
  };
  const often = () => random.below(8) !== 0;
  const sizes = { strings: 0, mappings: 0, locations: 0, functions: 0, attributes: 0, stacks: 0, links: 0 };
  /** An index of a table; beyond its end once in a great while. */
  const index = (table: keyof typeof sizes) =>
    random.below(3000) === 0 ? sizes[table] + random.below(3) : random.below(Math.max(1, sizes[table]));
  const indices = (w: WireWriter, field: number, table: keyof typeof sizes, most: number) => {
    const all = Array.from({ length: random.below(most + 1) }, () => index(table));
    if (often()) w.packed(field, all);
    else for (const one of all) w.tag(field, 0).varint(one);
  };
  const text = (w: WireWriter, field: number, common: readonly string[]) => {
    if (random.below(20) === 0) w.data(field, Uint8Array.from(pick(BROKEN)));
    else w.text(field, pick(common));
  };
  const unknown = (w: WireWriter) => {
    if (random.below(40) === 0) w.data(30, new Uint8Array(random.below(5)));
    if (random.below(40) === 0) w.tag(31, 5).raw(new Uint8Array(4));
  };
  const anyValue = (w: WireWriter) => {
    const kind = random.below(12);
    if (kind < 6) w.tag(8, 0).varint(index('strings'));
    else if (kind < 8) text(w, 1, TEXTS);
    else if (kind === 8) w.tag(3, 0).varint(pick(NUMBERS));
    else if (kind === 9) w.double(4, 0.5);
    else if (kind === 10) w.message(5, () => undefined);
    if (kind === 11) text(w.tag(2, 0).varint(1), 1, TEXTS);
  };
  const valueType = (w: WireWriter) => {
    w.integer(1, index('strings'));
    if (often()) w.integer(2, index('strings'));
  };

  const dictionary = (w: WireWriter) => {
    if (often()) {
      w.text(5, '');
      for (let i = 1; i < sizes.strings; i++) text(w, 5, random.below(2) ? KEYS : TEXTS);
    }
    for (let i = 0; i < sizes.attributes; i++)
      w.message(6, (a) => {
        a.integer(1, index('strings'));
        if (often()) a.message(2, anyValue);
        if (!often()) a.integer(3, index('strings'));
      });
    for (let i = 0; i < sizes.mappings; i++)
      w.message(1, (m) => {
        if (!often()) m.integer(1, pick(NUMBERS));
        m.integer(4, index('strings'));
        indices(m, 5, 'attributes', 3);
      });
    for (let i = 0; i < sizes.functions; i++)
      w.message(3, (f) => [1, 2, 3].forEach((field) => often() && f.integer(field, index('strings'))));
    for (let i = 0; i < sizes.locations; i++)
      w.message(2, (l) => {
        l.integer(1, index('mappings'));
        if (often()) l.integer(2, BigInt.asUintN(64, pick(NUMBERS)));
        if (!often())
          times(3, () => l.message(3, (line) => line.integer(1, index('functions')).integer(2, pick(NUMBERS))));
        if (often()) indices(l, 4, 'attributes', 2);
        unknown(l);
      });
    for (let i = 0; i < sizes.stacks; i++) w.message(7, (s) => indices(s, 1, 'locations', i % 7 === 0 ? 300 : 12));
    for (let i = 0; i < sizes.links; i++) link(w);
    unknown(w);
  };
  /** Ids of a few values; now and then of a wrong length, without one of them, or no message at all. */
  const link = (w: WireWriter) => {
    const id = (bytes: number) => new Uint8Array(often() ? bytes : pick([0, 7, 8, 16, 17])).fill(random.below(3));
    if (!often()) w.data(4, Uint8Array.from(pick([[], [0x0a], [0x0a, 0x10, 1], [0x08, 0x01], [0x00]])));
    else if (!often()) w.tag(4, 0).varint(pick(NUMBERS));
    else
      w.message(4, (l) => {
        if (often()) l.data(1, id(16));
        if (often()) l.data(2, id(8));
        unknown(l);
      });
  };

  for (const table of Object.keys(sizes) as (keyof typeof sizes)[]) sizes[table] = often() ? 1 + random.below(60) : 0;
  const out = new WireWriter();
  const resource = (w: WireWriter) => {
    if (often())
      w.message(1, (r) =>
        times(8, () =>
          r.message(1, (pair) => {
            if (random.below(3) === 0) pair.integer(3, index('strings'));
            else text(pair, 1, KEYS);
            pair.message(2, anyValue);
          }),
        ),
      );
    w.message(2, (scope) => times(3, () => scope.message(2, profile)));
  };
  const profile = (w: WireWriter) => {
    if (often()) w.message(1, valueType);
    w.fixed64(3, pick(NANOSECONDS));
    if (often()) w.message(5, valueType);
    w.integer(6, pick(NUMBERS));
    indices(w, 11, 'attributes', 3);
    times(20, () =>
      w.message(2, (s) => {
        s.integer(1, index('stacks'));
        indices(s, 2, 'attributes', 4);
        if (often()) s.integer(3, random.below(20) ? random.below(sizes.links + 2) : pick(NUMBERS));
        else if (!often()) s.data(3, new Uint8Array(2));
        const counts = Array.from({ length: random.below(4) }, () => pick(NUMBERS));
        if (often()) for (const count of counts) s.tag(4, 0).varint(count);
        times(3, () => s.tag(5, 1).raw(new Uint8Array(BigUint64Array.of(pick(NANOSECONDS)).buffer)));
      }),
    );
  };
  const parts = [() => out.message(2, dictionary), ...Array.from({ length: 2 }, () => () => out.message(1, resource))];
  if (random.below(2)) parts.reverse();
  for (const part of parts) part();
  unknown(out);
  return out.bytes().slice();
}

/** The same bytes with a few changed, cut off, repeated or taken out. */
export function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  const at = random.below(bytes.length + 1);
  switch (random.below(4)) {
    case 0:
      return bytes.slice(0, at);
    case 1:
      return Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(at + 1 + random.below(4)));
    case 2:
      return Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(Math.max(0, at - random.below(40))));
    default: {
      const changed = bytes.slice();
      for (let i = 0; i <= random.below(3); i++) changed[random.below(changed.length)] = random.below(256);
      return changed;
    }
  }
}
