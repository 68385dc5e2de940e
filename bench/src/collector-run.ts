import { cpus } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedStream } from '@perfleet/stream';
import type { Load } from './loads.ts';
import { residentMb } from './measure.ts';
import { bpfOf, childrenOf, commOf, cpuOfTree, lockedMb } from './processes.ts';
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
  const collector = await startService(root, args, { PERFLEET_WINDOW_SECONDS: String(window) });
  const { pid, errors } = collector;
  try {
    const stream = await openEmbeddedStream({ path: join(directory, 'stream.db') });
    try {
      await untilMessages(stream, errors);
      const sampler = samplerOf(pid);
      if (sampler === undefined) throw new Error(`no sampler runs: ${errors() || 'perfleet doctor tells why'}`);
      const samplerMb = () => [sampler, ...childrenOf(sampler)].reduce((sum, pid) => sum + residentMb(pid), 0);
      await untilCalm(sampler);
      const snapshot = () => ({
        at: Date.now() / 1000,
        sampler: cpuOfTree(sampler),
        all: cpuOfTree(pid),
        bpf: bpfOf(sampler),
        load: load.cpu(),
      });
      const before = snapshot();
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      const after = snapshot();
      if (samplerOf(pid) !== sampler)
        throw new Error(`the sampler ended while it was measured: ${errors() || 'the collector does not say why'}`);
      const kernelMb = after.bpf.memoryBytes / 2 ** 20 + lockedMb(sampler);
      const memory = { samplerMb: samplerMb(), collectorMb: residentMb(pid), kernelMb };
      load.pause();
      await collector.stop();
      const windows = await readWindows(stream, load.process);
      const full = windows.find((w) => w.samples >= 0.9 * rate * cpus().length * (w.end - w.start));
      const inside = windows.filter((w) => w.start >= before.at && w.end <= after.at);
      if (inside.length === 0 && (load.full || load.process !== ''))
        throw new Error(
          `no window lies within the ${seconds} s that were measured: the machine is too busy, or --duration too short`,
        );
      const sum = (key: keyof WindowSamples) => inside.reduce((all, w) => all + w[key], 0);
      const samplerCpu = after.sampler - before.sampler;
      return {
        seconds: after.at - before.at,
        samplerCpu,
        collectorCpu: after.all - before.all - samplerCpu,
        bpfSeconds: (after.bpf.runNs - before.bpf.runNs) / 1e9,
        bpfRuns: after.bpf.runs - before.bpf.runs,
        startCpu: before.all + before.bpf.runNs / 1e9,
        ...memory,
        firstSample: ((windows.find((w) => w.samples > 0)?.sent ?? NaN) - started) / 1000,
        fullDelivery: full && load.full ? (full.sent - started) / 1000 : NaN,
        samples: sum('samples'),
        windowSeconds: sum('end') - sum('start'),
        bytes: sum('bytes'),
        loadCpu: after.load - before.load,
        ofProcess: sum('ofProcess'),
        reachMain: sum('reachMain'),
      };
    } finally {
      load.resume();
      await stream.close();
    }
  } finally {
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
