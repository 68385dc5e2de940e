import { IntColumn, RaggedColumn } from './columns.ts';
import { decodeAnyValue, decodeDictionary } from './decode-dictionary.ts';
import { OtlpDecodeError, WireError } from './errors.ts';
import {
  DEFAULT_LIMITS,
  type AttributeValue,
  type DecodeLimits,
  type Dictionary,
  type Profile,
  type ProfilesData,
  type ResourceProfiles,
  type SampleTable,
} from './model.ts';
import { WireReader } from './wire-reader.ts';

/** Bounds resources and, over all of them, profiles: an empty one takes two bytes in the message and a kilobyte here. */
const MAX_PROFILES = 16_384;

/** What may still come, over the whole message. */
interface Budget {
  samples: number;
  profiles: number;
  attributes: number;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Decodes an `ExportProfilesServiceRequest` (or a `ProfilesData`, which has the same fields).
 * @throws OtlpDecodeError on anything malformed, out of range or over a limit
 */
export function decodeProfiles(bytes: Uint8Array, limits: DecodeLimits = DEFAULT_LIMITS): ProfilesData {
  try {
    return decodeMessage(bytes, limits);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new OtlpDecodeError(error.reason, error.offset, { cause: error });
  }
}

function decodeMessage(bytes: Uint8Array, limits: DecodeLimits): ProfilesData {
  if (bytes.length > limits.messageBytes)
    throw new WireError(`message of ${bytes.length} bytes is over ${limits.messageBytes}`, 0);
  const reader = new WireReader(bytes);
  const resources: Span[] = [];
  const dictionarySpans: Span[] = [];
  while (reader.next()) {
    if (reader.field === 1) resources.push(reader.nested());
    else if (reader.field === 2) dictionarySpans.push(reader.nested());
    else reader.skip();
    if (resources.length > MAX_PROFILES || dictionarySpans.length > MAX_PROFILES)
      reader.fail(`more than ${MAX_PROFILES} resources`);
  }
  // The dictionary may stand behind what refers to it: it is read first whatever its place.
  const dictionary = decodeDictionary(
    dictionarySpans.map((span) => new WireReader(bytes, span.start, span.end)),
    limits,
  );
  const budget: Budget = { samples: limits.samples, profiles: MAX_PROFILES, attributes: limits.tableEntries };
  return {
    dictionary,
    resources: resources.map((span) =>
      decodeResource(new WireReader(bytes, span.start, span.end), dictionary, limits, budget),
    ),
  };
}

function decodeResource(
  reader: WireReader,
  dictionary: Dictionary,
  limits: DecodeLimits,
  budget: Budget,
): ResourceProfiles {
  const attributes: Array<readonly [string, AttributeValue]> = [];
  const profiles: Profile[] = [];
  while (reader.next()) {
    if (reader.field === 1) {
      const outer = reader.enter();
      while (reader.next()) {
        if (reader.field === 1) attributes.push(decodeKeyValue(reader, dictionary, limits));
        else reader.skip();
        if (--budget.attributes < 0) reader.fail(`more than ${limits.tableEntries} resource attributes`);
      }
      reader.leave(outer);
    } else if (reader.field === 2) {
      const outer = reader.enter();
      while (reader.next()) {
        if (reader.field === 2) {
          if (--budget.profiles < 0) reader.fail(`more than ${MAX_PROFILES} profiles`);
          profiles.push(decodeProfile(reader, dictionary, budget));
        } else reader.skip();
      }
      reader.leave(outer);
    } else reader.skip();
  }
  return { attributes, profiles };
}

function decodeKeyValue(
  reader: WireReader,
  dictionary: Dictionary,
  limits: DecodeLimits,
): readonly [string, AttributeValue] {
  const outer = reader.enter();
  let key = '';
  let value: AttributeValue = null;
  const lookup = (index: number): string =>
    dictionary.strings[index] ?? reader.fail(`string index ${index} is out of range (${dictionary.strings.length})`);
  while (reader.next()) {
    if (reader.field === 1) key = reader.text(limits.stringBytes);
    else if (reader.field === 2) {
      const decoded = decodeAnyValue(reader, limits);
      value = decoded.reference >= 0 ? lookup(decoded.reference) : decoded.value;
    } else if (reader.field === 3) {
      reader.expect(0);
      key = lookup(reader.varint32());
    } else reader.skip();
  }
  reader.leave(outer);
  return [key, value];
}

function decodeProfile(reader: WireReader, dictionary: Dictionary, budget: Budget): Profile {
  const outer = reader.enter();
  let sampleType = { type: 0, unit: 0 };
  let periodType = { type: 0, unit: 0 };
  let [timeUnixNano, durationNano, period] = [0n, 0n, 0];
  const attributes = new IntColumn();
  const samples = new SampleBuilder(reader, dictionary);
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        sampleType = decodeValueType(reader, dictionary);
        break;
      case 2:
        if (--budget.samples < 0) reader.fail('more samples than the limit of one message');
        samples.read();
        break;
      case 3:
        reader.expect(1);
        timeUnixNano = reader.fixed64();
        break;
      case 4:
        reader.expect(0);
        durationNano = reader.varint64();
        break;
      case 5:
        periodType = decodeValueType(reader, dictionary);
        break;
      case 6:
        reader.expect(0);
        period = reader.int64();
        break;
      case 11:
        reader.repeated(0, () =>
          attributes.push(checkIndex(reader, reader.varint32(), dictionary.attributes.value.length, 'attribute')),
        );
        break;
      default:
        reader.skip();
    }
  }
  reader.leave(outer);
  return {
    sampleType,
    periodType,
    period,
    timeUnixNano,
    durationNano,
    samples: samples.done(),
    attributes: attributes.done(),
  };
}

function decodeValueType(reader: WireReader, dictionary: Dictionary): { type: number; unit: number } {
  const outer = reader.enter();
  let [type, unit] = [0, 0];
  while (reader.next()) {
    if (reader.field !== 1 && reader.field !== 2) {
      reader.skip();
      continue;
    }
    reader.expect(0);
    const index = checkIndex(reader, reader.varint32(), dictionary.strings.length, 'string');
    if (reader.field === 1) type = index;
    else unit = index;
  }
  reader.leave(outer);
  return { type, unit };
}

function checkIndex(reader: WireReader, index: number, length: number, what: string): number {
  if (index >= length) reader.fail(`${what} index ${index} is out of range (${length})`);
  return index;
}

class SampleBuilder {
  private readonly stack = new IntColumn();
  private readonly link = new IntColumn();
  private readonly attributes = new RaggedColumn();
  private readonly values: number[] = [];
  private readonly valueOffsets: number[] = [0];
  private readonly timestamps: bigint[] = [];
  private readonly timestampOffsets: number[] = [0];

  constructor(
    private readonly reader: WireReader,
    private readonly dictionary: Dictionary,
  ) {}

  read(): void {
    const { reader, dictionary } = this;
    const outer = reader.enter();
    let [stack, link] = [0, 0];
    while (reader.next()) {
      if (reader.field === 1) {
        reader.expect(0);
        stack = checkIndex(reader, reader.varint32(), dictionary.stacks.offsets.length - 1, 'stack');
      } else if (reader.field === 2) {
        reader.repeated(0, () =>
          this.attributes.values.push(
            checkIndex(reader, reader.varint32(), dictionary.attributes.value.length, 'attribute'),
          ),
        );
      } else if (reader.field === 3 && reader.wire === 0) link = reader.varint32();
      else if (reader.field === 4) reader.repeated(0, () => this.values.push(reader.int64()));
      else if (reader.field === 5) reader.repeated(1, () => this.timestamps.push(reader.fixed64()));
      else reader.skip();
    }
    reader.leave(outer);
    this.stack.push(stack);
    this.link.push(link);
    this.attributes.endRow();
    this.valueOffsets.push(this.values.length);
    this.timestampOffsets.push(this.timestamps.length);
  }

  done(): SampleTable {
    return {
      length: this.stack.length,
      stack: this.stack.done(),
      link: Uint32Array.from(this.link.done()),
      attributes: this.attributes.done(),
      values: { offsets: Uint32Array.from(this.valueOffsets), values: Float64Array.from(this.values) },
      timestamps: { offsets: Uint32Array.from(this.timestampOffsets), values: BigUint64Array.from(this.timestamps) },
    };
  }
}
