import { cpus } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedStream } from '@perfleet/stream';
import { AT_START, cpuBetween, CpuMeter } from './cpu-meter.ts';
import type { Load } from './loads.ts';
import { atOwnPriority } from './priority.ts';
import { bpfOf, childrenOf, commOf, idleSeconds, memoryOf, type MemoryUse } from './processes.ts';
import { fullDelivery } from './sampler-delivery.ts';
import { dueASecond } from './sampler-figures.ts';
import { startService } from './service.ts';
import { readWindows, untilMessages, type WindowSamples } from './stream-windows.ts';

export interface CollectorRun {
  readonly seconds: number;
  /** CPU seconds in the measured time; BPF runs in the context of whatever is sampled and counts for neither. */
  readonly samplerCpu: number;
  readonly collectorCpu: number;
  readonly bpfSeconds: number;
  readonly bpfRuns: number;
  /** CPU seconds of all three before it, from the start on. */
  readonly startCpu: number;
  readonly samplerMb: number;
  readonly collectorMb: number;
  readonly kernelMb: number;
  /** Seconds from the start of the collector to a sample on the stream, and to the end of the first window of full delivery. */
  readonly firstSample: number;
  readonly fullDelivery: number;
  /** Samples of windows in the measured time, and their length. */
  readonly samples: number;
  readonly windowSeconds: number;
  /** Bytes of those windows' messages. */
  readonly bytes: number;
  /** CPU seconds of the load in the measured time, and seconds that CPUs were idle in it. */
  readonly loadCpu: number;
  readonly idleSeconds: number;
  /** Of the load's programs: samples, and those whose stack has `main`. */
  readonly ofPrograms: number;
  readonly reachMain: number;
}

/** How long the start may take at most: tables of what runs already are made, the largest in some seconds of an idle CPU. */
const START_SECONDS = 12;
/** The start is over when nothing was made for so long: a process that makes tables waits two seconds for work before it ends. */
const CALM_SECONDS = 1;

/** `perfleet collector` over a log of its own while `load` runs, measured when its start is over. */
export async function collectorRun(
  root: string,
  directory: string,
  rate: number,
  seconds: number,
  window: number,
  load: Load,
): Promise<CollectorRun> {
  const args = ['collector', '--data', directory, '--rate', String(rate), '--node', 'bench'];
  const started = Date.now();
  const collector = await atOwnPriority(() => startService(root, args, { PERFLEET_WINDOW_SECONDS: String(window) }));
  const { pid, errors } = collector;
  const meters = [new CpuMeter(pid)];
  try {
    const stream = await openEmbeddedStream({ path: join(directory, 'stream.db') });
    try {
      await untilMessages(stream, errors);
      const sampler = samplerOf(pid);
      if (sampler === undefined) throw new Error(`no sampler runs: ${errors() || 'perfleet doctor tells why'}`);
      const [all, own] = [meters[0]!, new CpuMeter(sampler)];
      meters.push(own);
      await untilCalm(sampler);
      const snapshot = () => ({
        at: Date.now() / 1000,
        sampler: own.read(),
        all: all.read(),
        bpf: bpfOf(sampler),
        load: load.cpu(),
        idle: idleSeconds(),
      });
      const before = snapshot();
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      const after = snapshot();
      if (samplerOf(pid) !== sampler)
        throw new Error(`the sampler ended while it was measured: ${errors() || 'the collector does not say why'}`);
      const samplerMemory = [sampler, ...childrenOf(sampler)].map(memoryOf);
      const total = (key: keyof MemoryUse) => samplerMemory.reduce((sum, each) => sum + each[key], 0);
      const memory = {
        samplerMb: total('residentMb'),
        collectorMb: memoryOf(pid).residentMb,
        kernelMb: after.bpf.memoryBytes / 2 ** 20 + total('ringsMb'),
      };
      load.pause();
      await collector.stop();
      const windows = await readWindows(stream, load.programs);
      const [took, idle] = [after.at - before.at, after.idle - before.idle];
      const whole = windows.filter((w) => w.end <= after.at);
      const full = load.full ? fullDelivery(whole, dueASecond(rate, took, idle), cpus().length) : undefined;
      const inside = windows.filter((w) => w.start >= before.at && w.end <= after.at);
      if (inside.length === 0 && load.full)
        throw new Error(
          `no window lies within the ${seconds} s that were measured: the machine is too busy, or --duration too short`,
        );
      const sum = (key: keyof WindowSamples) => inside.reduce((all, w) => all + w[key], 0);
      const samplerCpu = cpuBetween(before.sampler, after.sampler);
      return {
        seconds: took,
        samplerCpu,
        collectorCpu: cpuBetween(before.all, after.all) - samplerCpu,
        bpfSeconds: (after.bpf.runNs - before.bpf.runNs) / 1e9,
        bpfRuns: after.bpf.runs - before.bpf.runs,
        startCpu: cpuBetween(AT_START, before.all) + before.bpf.runNs / 1e9,
        ...memory,
        firstSample: ((windows.find((w) => w.samples > 0)?.sent ?? NaN) - started) / 1000,
        fullDelivery: full ? (full.complete - started) / 1000 : NaN,
        samples: sum('samples'),
        windowSeconds: sum('end') - sum('start'),
        bytes: sum('bytes'),
        loadCpu: after.load - before.load,
        idleSeconds: idle,
        ofPrograms: sum('ofPrograms'),
        reachMain: sum('reachMain'),
      };
    } finally {
      load.resume();
      await stream.close();
    }
  } finally {
    meters.forEach((meter) => meter.stop());
    await collector.stop();
  }
}

const samplerOf = (collector: number) => childrenOf(collector).find((pid) => commOf(pid).startsWith('perfleet-sample'));

/** No table is made: the sampler has had no child for a moment. On a machine that starts new programs all the time that never is. */
async function untilCalm(sampler: number): Promise<void> {
  const deadline = Date.now() + START_SECONDS * 1000;
  for (let calmSince = Date.now(); Date.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 100))) {
    if (childrenOf(sampler).length > 0) calmSince = Date.now();
    else if (Date.now() - calmSince >= CALM_SECONDS * 1000) return;
  }
}
