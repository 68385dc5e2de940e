import { SamplerProtocolError } from './errors.ts';
import { NO_BINARY, NOTHING_BLOCKED, WINDOW_VERSION, type BlockedColumns, type Window } from './window.ts';

/** More loss reasons than this are a broken sampler. */
const MAX_LOSSES = 64;
const FLAG_LAST = 1;
const FLAG_OFF_CPU = 2;
const FLAG_ONE_IN = 4;

/**
 * @param payload of a window frame
 * @throws SamplerProtocolError when a count, an offset or an index points outside, or bytes are left over
 */
export function decodeWindow(payload: Uint8Array): Window {
  const reader = new ColumnReader(payload);
  const version = reader.u32('version');
  if (version !== WINDOW_VERSION) throw new SamplerProtocolError(`window version ${version}: this reader knows 1`);
  const flags = reader.u32('flags');
  const [start, end, period] = [reader.u64('start'), reader.u64('end'), reader.u64('period')];
  const taken = reader.count64('taken');
  const losses = readLosses(reader);
  const nStrings = reader.u32('nStrings');
  const nBinaries = reader.u32('nBinaries');
  const nFrames = reader.u32('nFrames');
  const nStacks = reader.u32('nStacks');
  const nStackFrames = reader.u32('nStackFrames');
  const nProcesses = reader.u32('nProcesses');
  const nSamples = reader.u32('nSamples');
  const stringBytes = reader.u32('stringBytes');
  if (nStrings < 1) throw new SamplerProtocolError('window without string 0');

  const strings = readStrings(reader, nStrings, stringBytes);
  const text = (name: string, n: number) => reader.indices(name, n, nStrings);
  const binaries = {
    path: text('binary.path', nBinaries),
    gnuBuildId: text('binary.gnuBuildId', nBinaries),
    htlHash: text('binary.htlHash', nBinaries),
  };
  const frames = {
    kind: text('frame.kind', nFrames),
    binary: reader.indices('frame.binary', nFrames, nBinaries, NO_BINARY),
    address: reader.u64s('frame.address', nFrames),
    function: text('frame.function', nFrames),
    file: text('frame.file', nFrames),
  };
  const stacks = {
    offset: reader.offsets('stack.offset', nStacks, nStackFrames),
    frame: reader.indices('stack.frame', nStackFrames, nFrames),
    flags: reader.u32s('stack.flags', nStacks),
  };
  const processes = {
    pid: reader.u32s('process.pid', nProcesses),
    comm: text('process.comm', nProcesses),
    executable: text('process.executable', nProcesses),
    cgroupFile: text('process.cgroupFile', nProcesses),
    cgroupV2: reader.u64s('process.cgroupV2', nProcesses),
    cgroupV1: reader.u64s('process.cgroupV1', nProcesses),
    cgroupV1Controller: text('process.cgroupV1Controller', nProcesses),
  };
  const sampleColumns = (name: string, n: number) => ({
    process: reader.indices(`${name}.process`, n, nProcesses),
    thread: text(`${name}.thread`, n),
    stack: reader.indices(`${name}.stack`, n, nStacks),
    count: reader.u32s(`${name}.count`, n),
  });
  const counted = sampleColumns('sample', nSamples);
  const thinned = (flags & FLAG_ONE_IN) !== 0;
  const samples = thinned ? { ...counted, oneIn: reader.u32s('sample.oneIn', nSamples) } : counted;
  let offCpu: BlockedColumns = NOTHING_BLOCKED;
  if ((flags & FLAG_OFF_CPU) !== 0) {
    const n = reader.u32s('nOffCpu', 1)[0]!;
    offCpu = { ...sampleColumns('offCpu', n), nanoseconds: reader.u64s('offCpu.nanoseconds', n) };
  }
  reader.end();
  const lost: Record<string, number> = {};
  for (const [index, n] of losses) {
    const reason = strings[index];
    if (!reason) throw new SamplerProtocolError(`loss reason is string ${index} of ${nStrings}`);
    lost[reason] = (lost[reason] ?? 0) + n;
  }
  const last = (flags & FLAG_LAST) !== 0;
  return { last, start, end, period, taken, lost, strings, binaries, frames, stacks, processes, samples, offCpu };
}

function readLosses(reader: ColumnReader): Array<[number, number]> {
  const n = reader.u32('nLost');
  if (n > MAX_LOSSES) throw new SamplerProtocolError(`${n} loss reasons: at most ${MAX_LOSSES}`);
  return Array.from({ length: n }, () => {
    const index = reader.u32('loss.string');
    reader.u32('loss.pad');
    return [index, reader.count64('loss.count')] as [number, number];
  });
}

/** Not fatal on bad UTF-8: thread and file names are any bytes; they become U+FFFD. */
function readStrings(reader: ColumnReader, n: number, bytes: number): string[] {
  const offset = reader.offsets('string.offset', n, bytes);
  const data = Buffer.from(reader.bytes('string.bytes', bytes));
  const strings = new Array<string>(n);
  for (let i = 0; i < n; i++) strings[i] = data.toString('utf8', offset[i]!, offset[i + 1]!);
  if (strings[0] !== '') throw new SamplerProtocolError('string 0 is not empty');
  return strings;
}

/** Reads the header field by field and then columns that start at multiples of 8 bytes; every read is checked. */
class ColumnReader {
  private readonly payload: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(payload: Uint8Array) {
    this.payload = payload.byteOffset % 8 === 0 ? payload : payload.slice();
    this.view = new DataView(this.payload.buffer, this.payload.byteOffset, this.payload.byteLength);
  }

  u32(name: string): number {
    return this.view.getUint32(this.take(name, 4), true);
  }

  u64(name: string): bigint {
    return this.view.getBigUint64(this.take(name, 8), true);
  }

  /** A count that is exact as a number. */
  count64(name: string): number {
    const value = this.u64(name);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new SamplerProtocolError(`${name} is ${value}`);
    return Number(value);
  }

  bytes(name: string, n: number): Uint8Array {
    const at = this.column(name, n);
    return this.payload.subarray(at, at + n);
  }

  u32s(name: string, n: number): Uint32Array {
    const at = this.column(name, n * 4);
    return new Uint32Array(this.payload.buffer, this.payload.byteOffset + at, n);
  }

  u64s(name: string, n: number): BigUint64Array {
    const at = this.column(name, n * 8);
    return new BigUint64Array(this.payload.buffer, this.payload.byteOffset + at, n);
  }

  indices(name: string, n: number, limit: number, none = -1): Uint32Array {
    const values = this.u32s(name, n);
    for (let i = 0; i < n; i++) {
      const value = values[i]!;
      if (value >= limit && value !== none) throw new SamplerProtocolError(`${name}[${i}] is ${value} of ${limit}`);
    }
    return values;
  }

  /** `n + 1` ascending offsets from 0 to `total`. */
  offsets(name: string, n: number, total: number): Uint32Array {
    const values = this.u32s(name, n + 1);
    let previous = 0;
    for (let i = 0; i <= n; i++) {
      const value = values[i]!;
      if (value < previous || (i === 0 && value !== 0)) throw new SamplerProtocolError(`${name}[${i}] is ${value}`);
      previous = value;
    }
    if (previous !== total) throw new SamplerProtocolError(`${name} ends at ${previous} of ${total}`);
    return values;
  }

  end(): void {
    if (this.payload.length - this.at >= 8) {
      throw new SamplerProtocolError(`${this.payload.length - this.at} bytes after the last column`);
    }
  }

  private column(name: string, bytes: number): number {
    this.at = (this.at + 7) & ~7;
    return this.take(name, bytes);
  }

  private take(name: string, bytes: number): number {
    const at = this.at;
    if (at + bytes > this.payload.length) {
      throw new SamplerProtocolError(`${name} needs bytes ${at} to ${at + bytes} of ${this.payload.length}`);
    }
    this.at = at + bytes;
    return at;
  }
}
