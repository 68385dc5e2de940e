import { WireWriter } from '@perfleet/otlp/wire';
import type { PprofFrame, PprofInput, PprofMapping, PprofSample, PprofValueType } from './model.ts';

/**
 * `profile.proto`, uncompressed; every tool takes it gzipped as `.pb.gz`.
 * Addresses are ELF virtual addresses, so mappings start at 0 and end behind their highest address unless the input says otherwise.
 * @throws RangeError when a sample has more or fewer values than there are sample types: no tool reads such a profile
 */
export function encodePprof(profile: PprofInput): Uint8Array {
  return new PprofEncoder(profile).finish();
}

interface MappingRow {
  readonly mapping: PprofMapping;
  readonly id: number;
  highest: bigint;
  functions: boolean;
  files: boolean;
  lines: boolean;
  inlines: boolean;
}

class PprofEncoder {
  private readonly strings = new Map<string, number>([['', 0]]);
  private readonly mappings = new Map<string, MappingRow>();
  private readonly mappingOf = new Map<PprofMapping, MappingRow>();
  private readonly functions = new Map<string, number>();
  private readonly locations = new Map<string, number>();
  private readonly locationOf = new Map<PprofFrame, number>();
  private readonly samplePart = new WireWriter(1 << 16);
  private readonly locationPart = new WireWriter(1 << 14);
  private readonly functionPart = new WireWriter(1 << 14);

  constructor(private readonly profile: PprofInput) {}

  finish(): Uint8Array {
    const { profile } = this;
    const out = new WireWriter(1 << 16);
    for (const type of profile.sampleTypes) this.valueType(out, 1, type);
    this.placeMainBinary();
    for (const sample of profile.samples) this.sample(sample);
    const end = new WireWriter(256).integer(9, profile.timeNanos).integer(10, profile.durationNanos);
    this.valueType(end, 11, profile.periodType);
    end.integer(12, profile.period).packed(
      13,
      (profile.comments ?? []).map((comment) => this.string(comment)),
    );
    out.raw(this.samplePart.bytes());
    for (const row of this.mappings.values()) this.mappingRow(out, row);
    out.raw(this.locationPart.bytes()).raw(this.functionPart.bytes());
    for (const text of this.strings.keys()) out.text(6, text);
    return out.raw(end.bytes()).bytes();
  }

  private string(text: string): number {
    const known = this.strings.get(text);
    if (known !== undefined) return known;
    this.strings.set(text, this.strings.size);
    return this.strings.size - 1;
  }

  private valueType(writer: WireWriter, field: number, { type, unit }: PprofValueType): void {
    writer.message(field, (w) => w.integer(1, this.string(type)).integer(2, this.string(unit)));
  }

  /** Tools show the first mapping as the profiled program. */
  private placeMainBinary(): void {
    const { mainBinary, samples } = this.profile;
    if (mainBinary === undefined) return;
    for (const { stack } of samples)
      for (const { mapping } of stack)
        if (mapping?.path === mainBinary) {
          this.mapping(mapping);
          return;
        }
  }

  private sample({ stack, values, labels = [] }: PprofSample): void {
    if (values.length !== this.profile.sampleTypes.length)
      throw new RangeError(
        `a sample has ${values.length} values for ${this.profile.sampleTypes.length} sample types; give one value for each`,
      );
    const locations = stack.map((frame) => this.location(frame));
    this.samplePart.message(2, (w) => {
      w.packed(1, locations).packed(2, values);
      for (const [key, value] of labels)
        w.message(3, (label) => {
          label.integer(1, this.string(key));
          if (typeof value === 'string') label.integer(2, this.string(value));
          else label.integer(3, value);
        });
    });
  }

  private location(frame: PprofFrame): number {
    let id = this.locationOf.get(frame);
    if (id !== undefined) return id;
    const row = frame.mapping && this.mapping(frame.mapping);
    const address = frame.address ?? 0n;
    const lines = frame.lines.map((l) => [this.function(l.function, l.file), l.line] as const);
    const key = `${row?.id ?? 0} ${address} ${lines.join(' ')}`;
    id = this.locations.get(key);
    if (id === undefined) {
      id = this.locations.size + 1;
      this.locations.set(key, id);
      this.locationPart.message(4, (w) => {
        w.integer(1, id!)
          .integer(2, row?.id ?? 0)
          .integer(3, address);
        for (const [fn, line] of lines) w.message(4, (n) => n.integer(1, fn).integer(2, line));
      });
    }
    if (row) {
      if (address > row.highest) row.highest = address;
      row.functions ||= lines.length > 0;
      row.files ||= frame.lines.some((l) => l.file !== '');
      row.lines ||= frame.lines.some((l) => l.line > 0);
      row.inlines ||= lines.length > 1;
    }
    this.locationOf.set(frame, id);
    return id;
  }

  private function(name: string, file: string): number {
    const [nameIndex, fileIndex] = [this.string(name), this.string(file)];
    const key = `${nameIndex} ${fileIndex}`;
    let id = this.functions.get(key);
    if (id === undefined) {
      id = this.functions.size + 1;
      this.functions.set(key, id);
      this.functionPart.message(5, (w) =>
        w.integer(1, id!).integer(2, nameIndex).integer(3, nameIndex).integer(4, fileIndex),
      );
    }
    return id;
  }

  private mapping(mapping: PprofMapping): MappingRow {
    let row = this.mappingOf.get(mapping);
    if (row) return row;
    const { path, buildId, start, limit, fileOffset } = mapping;
    const key = [path, buildId, start, limit, fileOffset].join('\0');
    row = this.mappings.get(key);
    if (!row) {
      const id = this.mappings.size + 1;
      row = { mapping, id, highest: 0n, functions: false, files: false, lines: false, inlines: false };
      this.mappings.set(key, row);
    }
    this.mappingOf.set(mapping, row);
    return row;
  }

  private mappingRow(out: WireWriter, row: MappingRow): void {
    const { path, buildId, start = 0n, fileOffset = 0n } = row.mapping;
    const pageEnd = ((row.highest >> 12n) + 1n) << 12n;
    const limit = row.mapping.limit ?? (pageEnd > 0xffff_ffff_ffff_ffffn ? 0xffff_ffff_ffff_ffffn : pageEnd);
    // Tools join mappings of one or no name that lie side by side, so one without a name gets one.
    out.message(3, (w) =>
      w
        .integer(1, row.id)
        .integer(2, start)
        .integer(3, limit)
        .integer(4, fileOffset)
        .integer(5, this.string(path || '[unknown]'))
        .integer(6, this.string(buildId))
        .integer(7, Number(row.functions))
        .integer(8, Number(row.files))
        .integer(9, Number(row.lines))
        .integer(10, Number(row.inlines)),
    );
  }
}
