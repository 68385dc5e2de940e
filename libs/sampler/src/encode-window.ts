import { NO_BINARY } from './window.ts';

/** What `encodeWindow` takes: a window whose columns may be plain arrays. */
export interface WindowInput {
  readonly last?: boolean;
  readonly start?: bigint;
  readonly end?: bigint;
  readonly period?: bigint;
  readonly taken: number;
  readonly lost?: Readonly<Record<string, number>>;
  /** Stacks leaf first. A frame is in a binary (`binary` + `address`) or named (`function`, `file`). */
  readonly samples: readonly SampleInput[];
  /** Blocked time: `nanoseconds` besides. */
  readonly offCpu?: ReadonlyArray<SampleInput & { readonly nanoseconds: bigint }>;
}

export interface SampleInput {
  readonly process: ProcessInput;
  readonly thread?: string;
  readonly count: number;
  readonly oneIn?: number;
  readonly stack: readonly FrameInput[];
}

export interface ProcessInput {
  readonly pid: number;
  readonly comm?: string;
  readonly executable?: string;
  readonly cgroupFile?: string;
  readonly cgroupV2?: bigint;
  readonly cgroupV1?: bigint;
  readonly cgroupV1Controller?: string;
}

export interface FrameInput {
  readonly kind: string;
  readonly binary?: { readonly path: string; readonly gnuBuildId?: string; readonly htlHash?: string };
  readonly address?: bigint;
  readonly function?: string;
  readonly file?: string;
}

/**
 * The inverse of `decodeWindow`, for recordings and for everything that stands in for the native sampler.
 * Equal strings, binaries, frames, stacks and processes are written once.
 */
export function encodeWindow(input: WindowInput): Uint8Array<ArrayBuffer> {
  const strings = new Table<string>((s) => s);
  strings.add('');
  const text = (s: string | undefined) => strings.add(s ?? '');
  const losses = Object.entries(input.lost ?? {}).map(([reason, n]) => [text(reason), n] as const);
  const binaries = new Table<number[]>((row) => row.join());
  const frames = new Table<[number, number, bigint, number, number]>((row) => row.join());
  const stacks = new Table<number[]>((row) => row.join());
  const processes = new Table<ProcessInput>((p) => String(p.pid));
  const row = (sample: SampleInput) => [
    processes.add(sample.process),
    text(sample.thread),
    stacks.add(sample.stack.map((f) => frames.add(frameRow(f, text, binaries)))),
    sample.count,
  ];
  const samples = input.samples.map(row);
  const blocked = input.offCpu ?? [];
  const offCpu = blocked.map(row);
  const rows = processes.rows.map((p) => ({
    numbers: [p.pid, text(p.comm), text(p.executable), text(p.cgroupFile)],
    ids: [p.cgroupV2 ?? 0n, p.cgroupV1 ?? 0n],
    controller: text(p.cgroupV1Controller),
  }));

  const encoded = strings.rows.map((s) => Buffer.from(s));
  const stackFrames = stacks.rows.flat();
  const stringBytes = encoded.reduce((sum, b) => sum + b.length, 0);
  const out = new Writer();
  const oneIn = input.samples.some((sample) => sample.oneIn !== undefined);
  out.u32(1, (input.last ? 1 : 0) | (offCpu.length > 0 ? 2 : 0) | (oneIn ? 4 : 0));
  out.u64(input.start ?? 0n, input.end ?? 0n, input.period ?? 0n, BigInt(input.taken));
  out.u32(losses.length);
  for (const [index, n] of losses) {
    out.u32(index, 0);
    out.u64(BigInt(n));
  }
  out.u32(encoded.length, binaries.rows.length, frames.rows.length, stacks.rows.length, stackFrames.length);
  out.u32(processes.rows.length, samples.length, stringBytes);

  out.column32(prefixSums(encoded.map((b) => b.length)));
  out.pad();
  for (const bytes of encoded) out.raw(bytes);
  for (const i of [0, 1, 2]) out.column32(binaries.rows.map((row) => row[i]!));
  out.column32(frames.rows.map((row) => row[0]));
  out.column32(frames.rows.map((row) => row[1]));
  out.column64(frames.rows.map((row) => row[2]));
  out.column32(frames.rows.map((row) => row[3]));
  out.column32(frames.rows.map((row) => row[4]));
  out.column32(prefixSums(stacks.rows.map((row) => row.length)));
  out.column32(stackFrames);
  out.column32(stacks.rows.map(() => 0));
  for (const i of [0, 1, 2, 3]) out.column32(rows.map((row) => row.numbers[i]!));
  for (const i of [0, 1]) out.column64(rows.map((row) => row.ids[i]!));
  out.column32(rows.map((row) => row.controller));
  for (const i of [0, 1, 2, 3]) out.column32(samples.map((row) => row[i]!));
  if (oneIn) out.column32(input.samples.map((sample) => sample.oneIn ?? 1));
  if (offCpu.length > 0) {
    out.column32([offCpu.length]);
    for (const i of [0, 1, 2, 3]) out.column32(offCpu.map((row) => row[i]!));
    out.column64(blocked.map(({ nanoseconds }) => nanoseconds));
  }
  out.pad();
  return out.finish();
}

/** `u32 length | u8 type | payload`. */
export function encodeFrame(type: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(5 + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length + 1, true);
  frame[4] = type;
  frame.set(payload, 5);
  return frame;
}

function frameRow(
  f: FrameInput,
  text: (s: string | undefined) => number,
  binaries: Table<number[]>,
): [number, number, bigint, number, number] {
  const binary = f.binary
    ? binaries.add([text(f.binary.path), text(f.binary.gnuBuildId), text(f.binary.htlHash)])
    : NO_BINARY;
  return [text(f.kind), binary, f.address ?? 0n, text(f.function), text(f.file)];
}

function prefixSums(lengths: readonly number[]): number[] {
  const sums = [0];
  for (const length of lengths) sums.push(sums[sums.length - 1]! + length);
  return sums;
}

/** Rows in order of first appearance. */
class Table<T> {
  readonly rows: T[] = [];
  private readonly index = new Map<string, number>();

  constructor(private readonly keyOf: (row: T) => string) {}

  add(row: T): number {
    const key = this.keyOf(row);
    let index = this.index.get(key);
    if (index === undefined) {
      index = this.rows.push(row) - 1;
      this.index.set(key, index);
    }
    return index;
  }
}

class Writer {
  private readonly parts: Buffer[] = [];
  private length = 0;

  raw(bytes: Buffer): void {
    this.parts.push(bytes);
    this.length += bytes.length;
  }

  u32(...values: number[]): void {
    const bytes = Buffer.alloc(values.length * 4);
    values.forEach((value, i) => bytes.writeUInt32LE(value, i * 4));
    this.raw(bytes);
  }

  u64(...values: bigint[]): void {
    const bytes = Buffer.alloc(values.length * 8);
    values.forEach((value, i) => bytes.writeBigUInt64LE(value, i * 8));
    this.raw(bytes);
  }

  pad(): void {
    if (this.length % 8) this.raw(Buffer.alloc(8 - (this.length % 8)));
  }

  column32(values: readonly number[]): void {
    this.pad();
    this.u32(...values);
  }

  column64(values: readonly bigint[]): void {
    this.pad();
    this.u64(...values);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(Buffer.concat(this.parts));
  }
}
