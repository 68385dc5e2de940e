import { KEYS } from './attributes.ts';
import type { SpanLink } from './links.ts';
import type { AttributeValue } from './model.ts';
import { WireWriter } from './wire-writer.ts';

export interface MappingInput {
  readonly filename: string;
  readonly gnuBuildId?: string;
  readonly htlHash?: string;
  readonly start?: bigint;
  readonly limit?: bigint;
  readonly fileOffset?: bigint;
}

export interface LocationInput {
  /** Index of `mapping`; 0 = none. */
  readonly mapping?: number;
  readonly address?: bigint;
  /** `profile.frame.type`. */
  readonly kind: string;
  /** [function index, line], innermost first. */
  readonly lines?: ReadonlyArray<readonly [number, number]>;
}

export interface ProfileInput {
  readonly sampleType: { readonly type: string; readonly unit: string };
  readonly periodType: { readonly type: string; readonly unit: string };
  readonly period: number | bigint;
  readonly timeUnixNano: bigint;
  readonly durationNano: bigint;
}

/** Bytes that one nested message costs at most above its fields: tag and length. */
const FRAMING = 16;

/** An interned table: equal entries are written once. Entry 0 is the unset one. */
class Table {
  readonly writer = new WireWriter(4096);
  private readonly index = new Map<string, number>();

  constructor(
    private readonly field: number,
    empty: string,
  ) {
    this.writer.message(field, () => undefined);
    this.index.set(empty, 0);
  }

  get size(): number {
    return this.writer.length;
  }

  intern(key: string, write: (writer: WireWriter) => void): number {
    let index = this.index.get(key);
    if (index === undefined) {
      index = this.index.size;
      this.writer.message(this.field, write);
      this.index.set(key, index);
    }
    return index;
  }
}

/**
 * Builds one `ExportProfilesServiceRequest` (opentelemetry-proto v1.10.0). All tables are deduplicated; indices are those of
 * the dictionary. `estimatedBytes` tells a caller when to start another message.
 */
export class ProfilesEncoder {
  private readonly strings = new Map<string, number>([['', 0]]);
  private readonly stringTable = new WireWriter(8192).text(5, '');
  private readonly mappings = new Table(1, '0 0 0 0 ');
  private readonly locations = new Table(2, '');
  private readonly functions = new Table(3, '0 0');
  private readonly attributes = new Table(6, '');
  private readonly stacks = new Table(7, '');
  /** Most messages have none, and then not even the unset one. */
  private links: Table | null = null;
  /** Attribute of each `profile.frame.type`: every location has one of a few. */
  private readonly kinds = new Map<string, number>();
  private readonly resources: ResourceEncoder[] = [];
  private resourceBytes = 0;

  string(text: string): number {
    let index = this.strings.get(text);
    if (index === undefined) {
      index = this.strings.size;
      this.strings.set(text, index);
      this.stringTable.text(5, text);
    }
    return index;
  }

  attribute(key: string, value: AttributeValue): number {
    const keyIndex = this.string(key);
    return this.attributes.intern(`${keyIndex} ${typeof value} ${String(value)}`, (w) =>
      w.integer(1, keyIndex).message(2, (any) => writeAnyValue(any, value)),
    );
  }

  mapping(m: MappingInput): number {
    const ids: number[] = [];
    if (m.gnuBuildId) ids.push(this.attribute(KEYS.gnuBuildId, m.gnuBuildId));
    if (m.htlHash) ids.push(this.attribute(KEYS.htlHash, m.htlHash));
    const [start, limit, offset] = [m.start ?? 0n, m.limit ?? 0n, m.fileOffset ?? 0n];
    const filename = this.string(m.filename);
    return this.mappings.intern(`${filename} ${start} ${limit} ${offset} ${ids.join()}`, (w) =>
      w.integer(1, start).integer(2, limit).integer(3, offset).integer(4, filename).packed(5, ids),
    );
  }

  func(name: string, file: string): number {
    const [nameIndex, fileIndex] = [this.string(name), this.string(file)];
    return this.functions.intern(`${nameIndex} ${fileIndex}`, (w) => w.integer(1, nameIndex).integer(3, fileIndex));
  }

  location(l: LocationInput): number {
    let kind = this.kinds.get(l.kind);
    if (kind === undefined) this.kinds.set(l.kind, (kind = this.attribute(KEYS.frameType, l.kind)));
    const lines = l.lines ?? [];
    return this.locations.intern(`${l.mapping ?? 0}\0${l.address ?? 0n}\0${kind}\0${lines.join(';')}`, (w) => {
      w.integer(1, l.mapping ?? 0).integer(2, l.address ?? 0n);
      for (const [func, line] of lines) w.message(3, (n) => n.integer(1, func).integer(2, line));
      w.packed(4, [kind]);
    });
  }

  /** @param locations location indices, leaf first */
  stack(locations: readonly number[]): number {
    return this.stacks.intern(locations.join(' '), (w) => w.packed(1, locations));
  }

  link({ traceId, spanId }: SpanLink): number {
    return (this.links ??= new Table(4, '')).intern(`${traceId} ${spanId}`, (w) =>
      w.data(1, Buffer.from(traceId, 'hex')).data(2, Buffer.from(spanId, 'hex')),
    );
  }

  resource(attributes: ReadonlyArray<readonly [string, AttributeValue]>): ResourceEncoder {
    const resource = new ResourceEncoder(this, attributes);
    this.resources.push(resource);
    return resource;
  }

  /** Bytes, at least those of `finish()` and at most a few dozen per resource and profile more. Constant time. */
  get estimatedBytes(): number {
    const { mappings, locations, functions, attributes, stacks } = this;
    const tables =
      mappings.size + locations.size + functions.size + attributes.size + stacks.size + (this.links?.size ?? 0);
    return FRAMING + this.stringTable.length + tables + this.resourceBytes;
  }

  /** Called by the encoders below: what they wrote counts for the whole message. */
  grow(bytes: number): void {
    this.resourceBytes += bytes;
  }

  finish(): Uint8Array {
    const resources = this.resources.map((resource) => resource.finish());
    const out = new WireWriter(this.estimatedBytes);
    for (const resource of resources) out.data(1, resource);
    const tables = [this.mappings, this.locations, this.functions]
      .map((t) => t.writer)
      .concat(this.stringTable, this.attributes.writer, this.stacks.writer, this.links?.writer ?? []);
    const dictionary = new Uint8Array(tables.reduce((sum, t) => sum + t.length, 0));
    let at = 0;
    for (const table of tables) {
      dictionary.set(table.bytes(), at);
      at += table.length;
    }
    return out.data(2, dictionary).bytes();
  }
}

/** One resource: what the samples below it have in common. */
export class ResourceEncoder {
  private readonly head = new WireWriter(256);
  private readonly profiles: ProfileEncoder[] = [];

  constructor(
    private readonly owner: ProfilesEncoder,
    attributes: ReadonlyArray<readonly [string, AttributeValue]>,
  ) {
    this.head.message(1, (w) => {
      for (const [key, value] of attributes)
        w.message(1, (kv) => kv.text(1, key).message(2, (any) => writeAnyValue(any, value)));
    });
    // Framing of the resource and of its only scope.
    owner.grow(2 * FRAMING + this.head.length);
  }

  profile(input: ProfileInput): ProfileEncoder {
    const profile = new ProfileEncoder(this.owner, input);
    this.profiles.push(profile);
    return profile;
  }

  finish(): Uint8Array {
    return new WireWriter(this.head.length + 4096)
      .raw(this.head.bytes())
      .message(2, (scope) => this.profiles.forEach((profile) => scope.data(2, profile.writer.bytes())))
      .bytes();
  }
}

export class ProfileEncoder {
  readonly writer = new WireWriter(1024);

  constructor(
    private readonly owner: ProfilesEncoder,
    p: ProfileInput,
  ) {
    const valueType = (field: number, { type, unit }: { type: string; unit: string }) =>
      this.writer.message(field, (w) => w.integer(1, owner.string(type)).integer(2, owner.string(unit)));
    valueType(1, p.sampleType);
    this.writer.fixed64(3, p.timeUnixNano).integer(4, p.durationNano);
    valueType(5, p.periodType);
    this.writer.integer(6, p.period);
    owner.grow(FRAMING + this.writer.length);
  }

  /**
   * @param stack index of `stack`
   * @param attributes indices of `attribute`
   * @param value undefined: the sample counts one per timestamp
   * @param timestamps Unix nanoseconds, when known
   * @param link index of `link`; 0 = none
   */
  sample(
    stack: number,
    attributes: readonly number[],
    value: number | bigint | undefined,
    timestamps: readonly bigint[] = [],
    link = 0,
  ): void {
    const before = this.writer.length;
    this.writer.message(2, (w) => {
      w.integer(1, stack).packed(2, attributes).integer(3, link);
      if (value !== undefined) w.packed(4, [value]);
      w.packedFixed64(5, timestamps);
    });
    this.owner.grow(this.writer.length - before);
  }
}

function writeAnyValue(writer: WireWriter, value: AttributeValue): void {
  if (typeof value === 'string') writer.text(1, value);
  else if (typeof value === 'boolean') writer.tag(2, 0).varint(value ? 1 : 0);
  else if (typeof value === 'bigint') writer.tag(3, 0).varint(value);
  else if (typeof value === 'number') {
    if (Number.isInteger(value)) writer.tag(3, 0).varint(BigInt(value));
    else writer.double(4, value);
  } else if (value !== null) writer.data(7, value);
}
