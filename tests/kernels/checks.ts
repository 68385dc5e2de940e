import { FRAME_TYPES, FrameReader, NO_BINARY, decodeWindow, type Window } from '@perfleet/sampler';

/** What a run of the sampler wrote. */
export interface Stream {
  readonly hello: Hello;
  readonly windows: readonly Window[];
  readonly logs: readonly string[];
}

export interface Hello {
  readonly rung: number;
  readonly reason: string;
  readonly kernel: string;
  /** What rung 1 uses of the kernel. */
  readonly features?: readonly string[];
}

/** A program of which the host knows more than the sampler says. */
export interface Program {
  /** In the guest. */
  readonly path: string;
  /** ELF address at which its processes begin. */
  readonly entry: bigint;
  readonly symbols: ReadonlyArray<{ readonly name: string; readonly start: bigint; readonly size: bigint }>;
}

export interface Context {
  /** `uname -r` of the guest. */
  readonly release: string;
  /** Inode of the workload's cgroup. */
  readonly cgroup: bigint;
  readonly chain: Program;
  readonly short: Program;
  readonly other: Program;
  /** The dynamic loader, in which a process begins before its own code. */
  readonly loader: Program;
}

export interface Sample {
  readonly pid: number;
  readonly executable: string;
  readonly cgroup: bigint;
  readonly count: number;
  readonly cut: boolean;
  /** The kernel is taking down the process's memory: there is no stack any more, only the registers. */
  readonly ending: boolean;
  /** Leaf first; user space only. */
  readonly frames: ReadonlyArray<{ readonly path: string; readonly buildId: string; readonly address: bigint }>;
}

/** How long the code before the first call may be. */
const ENTRY_BYTES = 64n;
/** Of the stacks that have a user part: as many have to be complete. The rest is where a program is being started. */
const COMPLETE = 0.97;

/** @throws SamplerProtocolError, SyntaxError or Error when it is not a whole stream of frames with a hello */
export function readStream(bytes: Uint8Array): Stream {
  const reader = new FrameReader();
  const json = (payload: Uint8Array) => JSON.parse(Buffer.from(payload).toString('utf8'));
  let hello: Hello | undefined;
  const [windows, logs]: [Window[], string[]] = [[], []];
  for (const { type, payload } of reader.push(bytes)) {
    if (type === FRAME_TYPES.hello) hello = json(payload) as Hello;
    else if (type === FRAME_TYPES.window) windows.push(decodeWindow(payload));
    else if (type === FRAME_TYPES.log) logs.push((json(payload) as { message: string }).message);
  }
  if (reader.torn) throw new Error('the stream ends inside a frame');
  if (!hello) throw new Error('the sampler did not say hello');
  return { hello, windows, logs };
}

export function assertRung({ hello }: Stream, rung: number): void {
  if (hello.rung !== rung) throw new Error(`rung ${hello.rung} instead of ${rung}: ${hello.reason}`);
}

/** taken = delivered + lost, in every window; and something was taken. */
export function assertBalanced({ windows, logs }: Stream): void {
  let [taken, lost] = [0, 0];
  for (const window of windows) {
    const delivered = [...window.samples.count, ...window.offCpu.count].reduce((sum, count) => sum + count, 0);
    const lostNow = Object.values(window.lost).reduce((sum, count) => sum + count, 0);
    if (window.taken - taken !== delivered + lostNow - lost) {
      throw new Error(
        `${window.taken - taken} taken, ${delivered} delivered, ${lostNow - lost} lost; ${logs.join('; ')}`,
      );
    }
    [taken, lost] = [window.taken, lostNow];
  }
  if (!windows.at(-1)?.last) throw new Error('the last window is missing');
  if (taken === 0) throw new Error('no samples');
}

/** Windows in which tables may still be in the making: emulation takes twenty times as long for them, far more than a window waits. */
const WARM_UP = 3;

/** Samples of the program with this path, or of all; without those of the first `skip` windows. */
export function samplesOf({ windows }: Stream, executable?: string, skip = 0): Sample[] {
  return windows.slice(skip).flatMap((window) => {
    const { samples, processes, stacks, frames, binaries, strings } = window;
    return Array.from(samples.count, (count, row): Sample => {
      const process = samples.process[row]!;
      const stack = samples.stack[row]!;
      const all = [...stacks.frame.subarray(stacks.offset[stack], stacks.offset[stack + 1])];
      return {
        pid: processes.pid[process]!,
        executable: strings[processes.executable[process]!]!,
        cgroup: processes.cgroupV2[process]!,
        count,
        cut: (stacks.flags[stack]! & 1) !== 0,
        ending: all.some((frame) => strings[frames.function[frame]!] === 'do_exit'),
        frames: all
          .filter((frame) => strings[frames.kind[frame]!] !== 'kernel')
          .map((frame) => {
            const binary = frames.binary[frame]!;
            const of = (column: Uint32Array) => (binary === NO_BINARY ? '' : strings[column[binary]!]!);
            return { path: of(binaries.path), buildId: of(binaries.gnuBuildId), address: frames.address[frame]! };
          }),
      };
    }).filter((sample) => executable === undefined || sample.executable === executable);
  });
}

function functionAt({ path, symbols }: Program, frame: Sample['frames'][number]): string {
  if (frame.path !== path) return '';
  const { address } = frame;
  return symbols.find(({ start, size }) => address >= start && address < start + size)?.name ?? '';
}

/** The outermost frame is the code that a process begins with. */
function isComplete(sample: Sample, programs: readonly Program[]): boolean {
  const last = sample.frames.at(-1);
  const program = programs.find(({ path }) => path === last?.path);
  return !!last && !!program && last.address >= program.entry && last.address < program.entry + ENTRY_BYTES;
}

/** Those with a user stack that are `good`, and all of these. @throws Error when they are too few */
function share(what: string, samples: readonly Sample[], good: (sample: Sample) => boolean): string {
  const count = (list: readonly Sample[]) => list.reduce((sum, sample) => sum + sample.count, 0);
  const user = samples.filter((sample) => sample.frames.length > 0 && !sample.ending);
  const [all, right] = [count(user), count(user.filter(good))];
  if (all < 20 || right < all * COMPLETE) {
    const example = user.find((sample) => !good(sample))?.frames.map((f) => `${f.path}+${f.address.toString(16)}`);
    throw new Error(`${right} of ${all} ${what} are complete${example ? `; one is ${example.join(' < ')}` : ''}`);
  }
  return `${right}/${all}`;
}

/** Where a stack with `leaf` leads: 20 × rec, middle, main, the C library, the first frame. */
export function assertChain(stream: Stream, { chain, loader }: Context): string {
  const expected = ['leaf', ...Array<string>(20).fill('rec'), 'middle', 'main'];
  return share('stacks of chain', samplesOf(stream, chain.path, WARM_UP), (sample) => {
    const names = sample.frames.map((frame) => functionAt(chain, frame));
    const inOrder = names[0] !== 'leaf' || expected.every((name, row) => names[row] === name);
    return inOrder && isComplete(sample, [chain, loader]);
  });
}

/** Programs that live 30 ms: complete from the first sample on, and every frame in a binary with a build id. */
export function assertShort(stream: Stream, { short, loader }: Context): string {
  return share('stacks of short', samplesOf(stream, short.path, WARM_UP), (sample) => {
    const known = sample.frames.every((frame) => frame.buildId !== '' || frame.path === '');
    return known && isComplete(sample, [short, loader]);
  });
}

export function assertCgroup(stream: Stream, { chain, cgroup }: Context): void {
  const found = new Set(samplesOf(stream, chain.path).map((sample) => sample.cgroup));
  found.delete(cgroup);
  if (found.size > 0) throw new Error(`cgroup ${[...found].join(', ')} instead of ${cgroup}`);
}

/** Two programs that took each other's pids: no sample of one has a frame of the other. @returns how many pids both had */
export function assertNoMixUp(stream: Stream, { short, other }: Context): number {
  const users = new Map<number, Set<string>>();
  for (const sample of samplesOf(stream)) {
    const own = [short.path, other.path].find((path) => path === sample.executable);
    if (!own) continue;
    users.set(sample.pid, (users.get(sample.pid) ?? new Set()).add(own));
    const foreign = sample.frames.find(({ path }) => path !== own && (path === short.path || path === other.path));
    if (foreign) throw new Error(`pid ${sample.pid}: a sample of ${own} has a frame of ${foreign.path}`);
  }
  const shared = [...users.values()].filter((paths) => paths.size === 2).length;
  if (shared === 0) throw new Error(`none of ${users.size} pids was used by both programs`);
  return shared;
}

/** Nanoseconds; programs that sleep for less wait for the sampler. */
const LEAST_SLEEP = 0.9e9;
/** Emulation wakes sleepers late: that is blocked time, too. */
const LATE = 1.25;

/**
 * The blocked time of `sleep` is where the kernel sleeps, and as long as it was told to. The longest is told before it ends.
 * @param seconds of each program
 * @returns seconds told / seconds slept
 * @throws Error when too little is told, or more than there was
 */
export function assertSleeps({ hello, windows }: Stream, seconds: readonly number[]): string {
  if (!hello.features?.includes('off-cpu')) throw new Error(`no blocked time: ${hello.reason}`);
  const told = new Map<number, number>();
  let parts = 0;
  for (const { offCpu, strings, processes, stacks, frames } of windows) {
    for (let row = 0; row < offCpu.count.length; row++) {
      const process = offCpu.process[row]!;
      if (strings[processes.comm[process]!] !== 'sleep') continue;
      const stack = offCpu.stack[row]!;
      const names = [...stacks.frame.subarray(stacks.offset[stack], stacks.offset[stack + 1])].map(
        (frame) => strings[frames.function[frame]!]!,
      );
      if (!names[0]?.startsWith('__schedule')) throw new Error(`a blocked stack begins with ${names.slice(0, 3)}`);
      if (!names.some((name) => name.includes('nanosleep'))) continue;
      const pid = processes.pid[process]!;
      told.set(pid, (told.get(pid) ?? 0) + Number(offCpu.nanoseconds[row]));
      parts++;
    }
  }
  const long = [...told.values()].filter((ns) => ns >= LEAST_SLEEP);
  const [asleep, slept] = [long, seconds].map((each) => each.reduce((sum, time) => sum + time, 0)) as [number, number];
  const text = `${(asleep / 1e9).toFixed(2)}/${slept} s`;
  if (long.length !== seconds.length || asleep < slept * 0.99e9 || asleep > slept * LATE * 1e9)
    throw new Error(`${text} in ${long.length} of ${seconds.length} programs`);
  if (parts <= told.size) throw new Error(`${text}, but nothing was told before it ended`);
  return text;
}
