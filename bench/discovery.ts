/**
 * What discovery costs on a busy node: 10,000 cgroups of pods that stand, and 100 container starts and ends a second.
 *
 *   node --experimental-transform-types bench/discovery.ts [--cgroups 10000] [--starts 100] [--seconds 40] [--hierarchy /sys/fs/cgroup/pids]
 *
 * Needs root, a mounted cgroup hierarchy, and Node 24 (`node_modules/.bin/node`). The cgroups are real, below a directory
 * of its own that it removes again. Prints one JSON object; CPU is that of this process, user and system, in percent of
 * one core, while another process makes the containers. A window of samples of every new container is named every 5 s.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { LiveDiscovery } from '@perfleet/collector/discovery';
import { createLogger } from '@perfleet/observability';
import { decodeWindow, encodeWindow } from '@perfleet/sampler';

const CONTAINERS_PER_POD = 4;
const WINDOW_MS = 5000;

const { values } = parseArgs({
  options: {
    cgroups: { type: 'string', default: '10000' },
    starts: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '40' },
    hierarchy: { type: 'string', default: '' },
    /** Internal: this process makes the containers. */
    churn: { type: 'string' },
  },
});

const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const uidOf = (n: number) => hash(`pod ${n}`).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
const classOf = (n: number) => ['', '/burstable', '/besteffort'][n % 3]!;

function makeStanding(root: string, cgroups: number): number {
  let made = 0;
  for (let pod = 0; made < cgroups; pod++) {
    const path = `${root}${classOf(pod)}/pod${uidOf(pod)}`;
    mkdirSync(path, { recursive: true });
    made++;
    for (let i = 0; i < CONTAINERS_PER_POD && made < cgroups; i++, made++) mkdirSync(join(path, hash(`${pod} ${i}`)));
  }
  return made;
}

/** Pods of two containers, as the kubelet makes them (pause, then the first), that live for a second. */
async function churn(root: string, starts: number): Promise<void> {
  const living: string[] = [];
  const begin = performance.now();
  let pod = '';
  for (let n = 0; ; n++) {
    const due = begin + (n * 1000) / starts;
    if (due > performance.now()) await sleep(due - performance.now());
    if (n % 2 === 0) {
      pod = `${root}/burstable/pod${uidOf(1e9 + n)}`;
      mkdirSync(pod);
      living.push(pod);
      if (living.length > starts / 2 + 1) removeTree(living.shift()!);
    }
    const container = join(pod, hash(`churn ${n}`));
    mkdirSync(container);
    writeSync(1, `${statSync(container).ino}\n`);
  }
}

function removeTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(path, entry.name));
  rmdirSync(path);
}

async function main(): Promise<void> {
  const hierarchy =
    values.hierarchy || ['/sys/fs/cgroup/pids', '/sys/fs/cgroup/freezer', '/sys/fs/cgroup'].find(existsSync)!;
  const controller = statSync(hierarchy, { throwIfNoEntry: false }) && basename(hierarchy);
  const top = join(hierarchy, `perfleet-bench-${process.pid}`);
  const root = join(top, 'kubepods');
  const scratch = mkdtempSync(join(tmpdir(), 'perfleet-bench-'));
  const idFile = openSync(join(scratch, 'ids'), 'a+');
  let child: ChildProcess | undefined;
  const discovery = new LiveDiscovery({ logger: createLogger('bench', { level: 'error' }), kubernetes: 'yes' });
  try {
    const cgroups = makeStanding(root, Number(values.cgroups));
    /** Ids of containers that started since the last window: in a file, for a pipe's reading would count as discovery's. */
    let fresh = '';
    let read = 0;
    const takeFresh = () => {
      const bytes = Buffer.alloc(fstatSync(idFile).size - read);
      read += readSync(idFile, bytes, 0, bytes.length, read);
      const taken = fresh + bytes.toString();
      fresh = '';
      return taken;
    };
    let [named, unnamed, own] = [0, 0, 0];
    /** Names a window with a sample of each new container, most of them gone by now; its making is not counted. */
    const window = async () => {
      const cpu = process.cpuUsage();
      const samples = takeFresh()
        .split('\n')
        .flatMap((inode, pid) => {
          if (inode === '') return [];
          const ids = { cgroupV1: BigInt(inode), cgroupV1Controller: controller, cgroupV2: 1n };
          return [{ process: { pid, ...ids }, count: 1, stack: [] }];
        });
      const payload = encodeWindow({ taken: samples.length, samples });
      own += total(process.cpuUsage(cpu));
      const { placements } = await discovery.place(decodeWindow(payload));
      for (const { containerId } of samples.length > 1 ? placements : []) {
        if (containerId === null) unnamed++;
        else named++;
      }
    };
    const measure = async (seconds: number) => {
      [named, unnamed, own] = [0, 0, 0];
      const cpu = process.cpuUsage();
      const begin = performance.now();
      while (performance.now() - begin < seconds * 1000) {
        await sleep(Math.min(WINDOW_MS, seconds * 1000 - (performance.now() - begin)));
        await window();
      }
      return (total(process.cpuUsage(cpu)) - own) / 10 / (performance.now() - begin);
    };

    const before = process.cpuUsage();
    const started = performance.now();
    await discovery.start(() => undefined);
    const firstCpu = total(process.cpuUsage(before)) / 1000;
    const lookMs = performance.now() - started;
    // The first window tells which hierarchy is sampled; the walk of it that this causes belongs to the start.
    fresh = `${statSync(root).ino}\n`;
    await window();
    await sleep(2000);
    const seconds = Number(values.seconds);
    const idle = await measure(seconds);
    const args = [process.argv[1]!, '--churn', root, '--starts', values.starts];
    child = spawn(process.execPath, [...process.execArgv, ...args], { stdio: ['ignore', idFile, 'inherit'] });
    await sleep(2000);
    const busy = await measure(seconds);
    const result = {
      bench: 'discovery',
      ...{ cgroups, startsPerSecond: Number(values.starts), seconds, hierarchy, mode: discovery.state.mode },
      firstLookMs: round(lookMs),
      firstLookCpuMs: round(firstCpu),
      idleCpuPercentOfOneCore: round(idle),
      churnCpuPercentOfOneCore: round(busy),
      ...{ named, unnamed, loadAverage: round(loadavg()[0]!) },
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    discovery.stop();
    if (child) {
      const gone = new Promise((resolve) => child!.once('close', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    closeSync(idFile);
    rmSync(scratch, { recursive: true });
    if (existsSync(top)) removeTree(top);
  }
}

const total = ({ user, system }: NodeJS.CpuUsage) => user + system;
const round = (value: number) => Math.round(value * 100) / 100;

if (values.churn !== undefined) await churn(values.churn, Number(values.starts));
else await main();
