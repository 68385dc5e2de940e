import { anonymousFrameId, binaryId, halvesOf, IdTable, namedFrameId, nativeFrameId } from '@perfleet/ids';
import { attributeOf, KEYS, mappingBinary, type Dictionary } from '@perfleet/otlp';
import { id64, type FrameRow } from './rows.ts';

const UNKNOWN = '[unknown]';
const MAX_LINE = 0xffff_ffff;
/** Native frames that are remembered: about 100 MB. */
const MAX_NATIVE = 400_000;

/**
 * Rows of native frames by binary and address. The same frames stand in every message of every node, and their rows
 * depend on nothing else: making each once saves its hash. Past the bound it starts again.
 */
export class NativeFrames {
  private readonly byBinary = new Map<string, BinaryFrames>();
  private size = 0;

  constructor(private readonly limit = MAX_NATIVE) {}

  /** Frames of one binary, to be asked for at every message: past the bound it is another one. */
  of(kind: string, binary: string, mapping: string): BinaryFrames {
    if (this.size >= this.limit) {
      this.byBinary.clear();
      this.size = 0;
    }
    const key = `${kind}\0${binary}\0${mapping}`;
    let frames = this.byBinary.get(key);
    if (!frames) {
      frames = new BinaryFrames(kind, binary, mapping, () => this.size++);
      this.byBinary.set(key, frames);
    }
    return frames;
  }
}

class BinaryFrames {
  private readonly addresses = new IdTable();
  /** The list that a location of it has: of one. */
  private readonly rows: (readonly [FrameRow])[] = [];

  constructor(
    private readonly kind: string,
    private readonly binaryId: string,
    private readonly mapping: string,
    private readonly onNew: () => void,
  ) {}

  at(low: number, high: number): readonly [FrameRow] {
    const at = this.addresses.add(low, high);
    return (this.rows[at] ??= this.make(this.addresses.id(at)));
  }

  private make(address: bigint): readonly [FrameRow] {
    this.onNew();
    const { kind, binaryId, mapping } = this;
    const { id, low, high } = id64(nativeFrameId(kind, binaryId, address));
    return [{ id, low, high, kind, binaryId, address, function: '', file: '', line: 0, mapping }];
  }
}

/** What the locations of one mapping have in common. */
interface MappingNames {
  /** Base for addresses; '' where the mapping is none that has any. */
  readonly binary: string;
  /** `[anon]`, `[vdso]` and the like are mappings without a file. */
  readonly known: boolean;
  readonly filename: string;
}

/** Frames of a dictionary's locations, each looked at once. */
export class LocationFrames {
  private readonly rows: (readonly FrameRow[] | undefined)[] = [];
  private readonly mappings: (MappingNames | undefined)[] = [];
  /** The kind that an attribute states; null when it states something else. */
  private readonly kinds: (string | null | undefined)[] = [];
  /** By mapping and kind, nearly always of one kind. */
  private readonly binaries: ({ kind: string; frames: BinaryFrames } | undefined)[] = [];
  /** Halves of the locations' addresses. */
  private readonly addresses: Uint32Array;

  constructor(
    private readonly dictionary: Dictionary,
    private readonly native: NativeFrames,
  ) {
    this.addresses = halvesOf(dictionary.locations.address);
  }

  /**
   * Innermost first. With lines the node named it: each line is a frame. With a mapping alone it is native code that the
   * symbolizer names later. With neither all that is known is that there was code.
   */
  of(location: number): readonly FrameRow[] {
    return (this.rows[location] ??= this.make(location));
  }

  private make(location: number): readonly FrameRow[] {
    const { locations } = this.dictionary;
    const kind = this.kind(location);
    const mapping = locations.mapping[location] ?? 0;
    const { binary, known, filename } = this.mapping(mapping);
    const from = locations.lineOffsets[location] ?? 0;
    const to = locations.lineOffsets[location + 1] ?? from;
    if (to > from) return this.named(kind, filename, from, to);
    const [low, high] = [this.addresses[location * 2] ?? 0, this.addresses[location * 2 + 1] ?? 0];
    if (mapping !== 0 && known && (kind === 'native' || low !== 0 || high !== 0)) {
      let frames = this.binaries[mapping];
      if (frames?.kind !== kind)
        this.binaries[mapping] = frames = { kind, frames: this.native.of(kind, binary, filename || binary) };
      return frames.frames.at(low, high);
    }
    const name = filename || UNKNOWN;
    const id = id64(anonymousFrameId(kind, name));
    return [{ ...id, kind, binaryId: '', address: 0n, function: '', file: '', line: 0, mapping: name }];
  }

  private named(kind: string, mapping: string, from: number, to: number): FrameRow[] {
    const { lines, functions, strings } = this.dictionary;
    const named: FrameRow[] = [];
    for (let i = from; i < to; i++) {
      const fn = lines.function[i] ?? 0;
      const name = strings[functions.name[fn] ?? 0] || strings[functions.systemName[fn] ?? 0] || UNKNOWN;
      const file = strings[functions.filename[fn] ?? 0] ?? '';
      const line = Math.min(MAX_LINE, Math.max(0, Math.trunc(lines.line[i] ?? 0)));
      const id = id64(namedFrameId(kind, name, file, line));
      named.push({ ...id, kind, binaryId: '', address: 0n, function: name, file, line, mapping });
    }
    return named;
  }

  private mapping(mapping: number): MappingNames {
    return (this.mappings[mapping] ??= this.makeMapping(mapping));
  }

  private makeMapping(mapping: number): MappingNames {
    const { gnuBuildId, htlHash, filename } = mappingBinary(this.dictionary, mapping);
    const file = filename !== '' && !filename.startsWith('[');
    const binary = binaryId({ gnuBuildId, htlHash, path: filename });
    return { binary, known: file || gnuBuildId !== '' || htlHash !== '', filename };
  }

  /** `profile.frame.type`; `native` when the producer did not say. */
  private kind(location: number): string {
    const { offsets, values } = this.dictionary.locations.attributes;
    for (let i = offsets[location] ?? 0; i < (offsets[location + 1] ?? 0); i++) {
      const attribute = values[i]!;
      let kind = this.kinds[attribute];
      if (kind === undefined) this.kinds[attribute] = kind = this.kindOf(attribute);
      if (kind !== null) return kind || 'native';
    }
    return 'native';
  }

  private kindOf(attribute: number): string | null {
    const one = { offsets: Uint32Array.of(0, 1), values: Int32Array.of(attribute) };
    const value = attributeOf(this.dictionary, one, 0, KEYS.frameType);
    return value === undefined ? null : typeof value === 'string' ? value : '';
  }
}
