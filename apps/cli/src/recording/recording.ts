import { binaryId } from '@perfleet/ids';
import { NO_BINARY, type SampleColumns, type Window } from '@perfleet/sampler';

export interface RecordedFrame {
  readonly kind: string;
  /** null for frames that the node named. */
  readonly binary: RecordedBinary | null;
  readonly address: bigint;
  readonly functionName: string;
  readonly file: string;
}

export interface RecordedBinary {
  readonly id: string;
  readonly path: string;
  readonly gnuBuildId: string;
  /** Some processes that map it: where its file can be found. */
  readonly pids: number[];
}

export interface RecordedSample {
  readonly pid: number;
  readonly process: string;
  readonly thread: string;
  /** Indices into `frames`, leaf first. */
  readonly stack: readonly number[];
  /** Samples of CPU time. */
  count: number;
  /** Estimated nanoseconds that the thread was blocked here. */
  offCpuNano: bigint;
}

const MAX_PIDS = 8;

/** Windows merged: frames, binaries and samples interned over the whole recording. */
export class Recording {
  readonly frames: RecordedFrame[] = [];
  readonly binaries = new Map<string, RecordedBinary>();
  startNano = 0n;
  endNano = 0n;
  periodNano = 0n;
  taken = 0;
  /** Blocked time was asked for. */
  offCpu = false;
  lost: Readonly<Record<string, number>> = {};
  private readonly frameIndex = new Map<string, number>();
  private readonly sampleIndex = new Map<string, RecordedSample>();

  get samples(): Iterable<RecordedSample> {
    return this.sampleIndex.values();
  }

  add(window: Window): void {
    if (this.startNano === 0n) this.startNano = window.start;
    this.endNano = window.end;
    this.periodNano = window.period;
    this.taken = window.taken;
    this.lost = window.lost;
    const { samples, offCpu } = window;
    const frames = Int32Array.from(window.frames.kind, (_, frame) => this.frame(window, frame));
    for (let i = 0; i < samples.stack.length; i++) this.sample(window, frames, samples, i).count += samples.count[i]!;
    for (let i = 0; i < offCpu.stack.length; i++)
      this.sample(window, frames, offCpu, i).offCpuNano += offCpu.nanoseconds[i]!;
  }

  /** The sample of the recording that a row of the window belongs to. */
  private sample(window: Window, frames: Int32Array, rows: SampleColumns, i: number): RecordedSample {
    const { strings, stacks, processes } = window;
    const text = (column: Uint32Array, row: number) => strings[column[row]!]!;
    const stack: number[] = [];
    const row = rows.stack[i]!;
    for (let at = stacks.offset[row]!; at < stacks.offset[row + 1]!; at++) stack.push(frames[stacks.frame[at]!]!);
    const owner = rows.process[i]!;
    const pid = processes.pid[owner]!;
    const process = text(processes.executable, owner).split('/').pop() || text(processes.comm, owner) || `pid ${pid}`;
    const thread = text(rows.thread, i);
    this.rememberPids(stack, pid);
    const key = `${pid}\0${thread}\0${stack.join(' ')}`;
    let sample = this.sampleIndex.get(key);
    if (!sample) this.sampleIndex.set(key, (sample = { pid, process, thread, stack, count: 0, offCpuNano: 0n }));
    return sample;
  }

  private frame(window: Window, row: number): number {
    const { frames, binaries, strings } = window;
    const kind = strings[frames.kind[row]!]!;
    const address = frames.address[row]!;
    const functionName = strings[frames.function[row]!]!;
    const file = strings[frames.file[row]!]!;
    const of = frames.binary[row]!;
    let binary: RecordedBinary | null = null;
    if (of !== NO_BINARY) {
      const path = strings[binaries.path[of]!]!;
      const gnuBuildId = strings[binaries.gnuBuildId[of]!]!;
      const id = binaryId({ gnuBuildId, htlHash: strings[binaries.htlHash[of]!]!, path });
      binary = this.binaries.get(id) ?? { id, path, gnuBuildId, pids: [] };
      this.binaries.set(id, binary);
    }
    const key = `${kind}\0${binary?.id ?? ''}\0${address}\0${functionName}\0${file}`;
    let index = this.frameIndex.get(key);
    if (index === undefined) {
      index = this.frames.push({ kind, binary, address, functionName, file }) - 1;
      this.frameIndex.set(key, index);
    }
    return index;
  }

  private rememberPids(stack: readonly number[], pid: number): void {
    for (const frame of stack) {
      const binary = this.frames[frame]!.binary;
      if (binary && binary.pids.length < MAX_PIDS && !binary.pids.includes(pid)) binary.pids.push(pid);
    }
  }
}
