import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { decodeProfileHeaders, TOPICS } from '@perfleet/messages';
import { decodeProfiles, mappingBinary, type ProfilesData } from '@perfleet/otlp';
import { openEmbeddedStream, type StreamMessage } from '@perfleet/stream';
import { createSymbolizer } from '@perfleet/symbols';
import { childrenOf, type Load } from './loads.ts';
import { residentMb } from './measure.ts';
import { bpfOf, cpuOf, lockedMb, type ProcessCpu } from './processes.ts';

export interface CollectorRun {
  readonly seconds: number;
  /** CPU seconds in the measured time; BPF runs in the context of whatever is sampled and counts for neither. */
  readonly samplerCpu: number;
  readonly collectorCpu: number;
  readonly bpfSeconds: number;
  readonly bpfRuns: number;
  readonly samplerMb: number;
  readonly collectorMb: number;
  readonly kernelMb: number;
  /** Seconds from the start of the collector to a sample on the stream, and to a window with 90 % of what was expected. */
  readonly firstSample: number;
  readonly fullDelivery: number;
  /** Samples of windows in the measured time, and their length. */
  readonly samples: number;
  readonly windowSeconds: number;
  /** Bytes of those windows' messages. */
  readonly bytes: number;
  /** CPU seconds of the load in the measured time. */
  readonly loadCpu: number;
  /** Of the load's process: samples, and those whose stack has `main`. */
  readonly ofProcess: number;
  readonly reachMain: number;
}

interface WindowSamples {
  /** Unix seconds. */
  readonly start: number;
  readonly end: number;
  readonly sent: number;
  readonly samples: number;
  readonly bytes: number;
  readonly ofProcess: number;
  readonly reachMain: number;
}

/** `perfleet collector` over a log of its own while `load` runs, measured from its first sample on. */
export async function collectorRun(
  root: string,
  directory: string,
  rate: number,
  seconds: number,
  window: number,
  load: Load,
): Promise<CollectorRun> {
  const args = ['collector', '--data', directory, '--rate', String(rate), '--node', 'bench', '--log-level', 'error'];
  const started = Date.now();
  const child = spawn(process.execPath, [join(root, 'bin/perfleet.mjs'), ...args], {
    env: {
      ...process.env,
      PERFLEET_WINDOW_SECONDS: String(window),
      PERFLEET_KAFKA_BROKERS: '',
      PERFLEET_REDIS_URL: '',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (data) => (errors = (errors + String(data)).slice(-2000)));
  const ended = once(child, 'exit');
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  try {
    await Promise.race([
      once(child.stdout, 'data'),
      ended.then(() => Promise.reject(new Error(`the collector did not start: ${errors.trim()}`))),
    ]);
    const stream = await openEmbeddedStream({ path: join(directory, 'stream.db') });
    try {
      await untilMessages(stream, () => errors);
      const sampler = childrenOf(child.pid!).find((pid) => commOf(pid).startsWith('perfleet-sample'));
      if (sampler === undefined) throw new Error(`no sampler runs: ${errors.trim() || 'perfleet doctor tells why'}`);
      const snapshot = () => ({
        at: Date.now() / 1000,
        sampler: cpuOfTree(sampler),
        collector: own(cpuOf(child.pid!)),
        bpf: bpfOf(sampler),
        load: load.cpu(),
      });
      const before = snapshot();
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      const after = snapshot();
      const memory = {
        samplerMb: [sampler, ...childrenOf(sampler)].reduce((sum, pid) => sum + residentMb(pid), 0),
        collectorMb: residentMb(child.pid!),
        kernelMb: after.bpf.memoryBytes / 2 ** 20 + lockedMb(sampler),
      };
      child.kill('SIGINT');
      await ended;
      const windows = await readWindows(await readAll(stream), load.process);
      const full = windows.find((w) => w.samples >= 0.9 * rate * cpus().length * (w.end - w.start));
      const inside = windows.filter((w) => w.start >= before.at && w.end <= after.at);
      if (inside.length === 0)
        throw new Error(
          `no window lies within the ${seconds} s that were measured: the machine is too busy, or --duration too short`,
        );
      const sum = (key: keyof WindowSamples) => inside.reduce((all, w) => all + w[key], 0);
      return {
        seconds: after.at - before.at,
        samplerCpu: after.sampler - before.sampler,
        collectorCpu: after.collector - before.collector,
        bpfSeconds: (after.bpf.runNs - before.bpf.runNs) / 1e9,
        bpfRuns: after.bpf.runs - before.bpf.runs,
        ...memory,
        firstSample: ((windows.find((w) => w.samples > 0)?.sent ?? NaN) - started) / 1000,
        fullDelivery: full ? (full.sent - started) / 1000 : NaN,
        samples: sum('samples'),
        windowSeconds: sum('end') - sum('start'),
        bytes: sum('bytes'),
        loadCpu: after.load - before.load,
        ofProcess: sum('ofProcess'),
        reachMain: sum('reachMain'),
      };
    } finally {
      await stream.close();
    }
  } finally {
    process.removeListener('exit', kill);
    if (child.exitCode === null) kill();
  }
}

const own = ({ user, system }: ProcessCpu) => user + system;

/** With the process that makes its tables, which it starts when there are some to be made. */
function cpuOfTree(pid: number): number {
  const cpu = cpuOf(pid);
  return own(cpu) + cpu.children + childrenOf(pid).reduce((sum, child) => sum + own(cpuOf(child)), 0);
}

const commOf = (pid: number) => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
};

type EmbeddedStream = Awaited<ReturnType<typeof openEmbeddedStream>>;

async function untilMessages(stream: EmbeddedStream, errors: () => string): Promise<void> {
  for (let waited = 0; waited < 60_000; waited += 50) {
    const offsets = await stream.offsets(TOPICS.profiles);
    if (offsets.some(({ low, high }) => high > low)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no message came within 60 s: ${errors().trim()}`);
}

async function readAll(stream: EmbeddedStream): Promise<StreamMessage[]> {
  const ends = await stream.offsets(TOPICS.profiles);
  let left = ends.reduce((sum, { low, high }) => sum + Number(high - low), 0);
  const messages: StreamMessage[] = [];
  let done: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (done = resolve));
  const consumer = stream.consumer({
    group: 'bench',
    topics: [TOPICS.profiles],
    open: () => ({
      async onBatch(batch) {
        messages.push(...batch.messages);
        left -= batch.messages.length;
        if (left <= 0) done();
      },
    }),
  });
  await consumer.start();
  if (left > 0) await all;
  await consumer.stop();
  return messages.sort((a, b) => Number(a.headers['seq']) - Number(b.headers['seq']));
}

async function readWindows(messages: readonly StreamMessage[], process: string): Promise<WindowSamples[]> {
  const symbolizer = createSymbolizer();
  const names = new Map<string, Promise<boolean>>();
  const windows: WindowSamples[] = [];
  for (const message of messages) {
    const headers = decodeProfileHeaders(message.headers);
    if (!headers.ok || message.value === null) continue;
    const data = decodeProfiles(message.value);
    const isMain = (path: string, binaryId: string, address: bigint) => {
      const key = `${binaryId} ${address}`;
      let known = names.get(key);
      if (!known) {
        known = symbolizer
          .resolve({ binaryId, path, pids: [] }, [address])
          .then(([found]) => found!.chain.some(([name]) => name === 'main'));
        names.set(key, known);
      }
      return known;
    };
    windows.push({
      ...(await countWindow(data, process, isMain)),
      sent: headers.value.sent,
      bytes: message.value.byteLength,
    });
  }
  symbolizer.close();
  return windows;
}

async function countWindow(
  { dictionary, resources }: ProfilesData,
  process: string,
  isMain: (path: string, binaryId: string, address: bigint) => Promise<boolean>,
) {
  let [start, end, samples, ofProcess, reachMain] = [0, 0, 0, 0, 0];
  for (const { attributes, profiles } of resources) {
    const wanted = process !== '' && attributes.some(([key, v]) => key === 'process.executable.name' && v === process);
    for (const profile of profiles) {
      start = Number(profile.timeUnixNano / 1_000_000n) / 1000;
      end = start + Number(profile.durationNano / 1_000_000n) / 1000;
      const { values, stack } = profile.samples;
      for (let i = 0; i < profile.samples.length; i++) {
        const count = values.values.subarray(values.offsets[i], values.offsets[i + 1]).reduce((a, b) => a + b, 0);
        samples += count;
        if (!wanted) continue;
        ofProcess += count;
        const { offsets, values: locations } = dictionary.stacks;
        // `main` is near the root, and the wire has the leaf first.
        for (let at = offsets[stack[i]! + 1]! - 1; at >= offsets[stack[i]!]!; at--) {
          const mapping = dictionary.locations.mapping[locations[at]!]!;
          const { filename, gnuBuildId } = mappingBinary(dictionary, mapping);
          if (!filename.endsWith(process)) continue;
          const binaryId = gnuBuildId ? `gnu:${gnuBuildId}` : `path:${filename}`;
          if (await isMain(filename, binaryId, dictionary.locations.address[locations[at]!]!)) {
            reachMain += count;
            break;
          }
        }
      }
    }
  }
  return { start, end, samples, ofProcess, reachMain };
}
