import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { TOPICS } from '@perfleet/messages';
import { openKafkaStream } from '@perfleet/stream';
import { freePort, SmallDisk, startKafka, startRedis, waitFor } from '@perfleet/testing';
import {
  checkDeliveries,
  checkLog,
  checkReferences,
  checkRollUps,
  checkRows,
  Differences,
  UNANSWERED_FRAMES,
} from './check.ts';
import { selectNumber } from './clickhouse.ts';
import type { FleetNodeOptions } from './fleet-node.ts';
import { faultFleet } from './fleet.ts';
import { readJournal } from './journal.ts';
import { planFaults, type Fault, type FaultKind } from './plan.ts';
import { Supervised } from './supervised.ts';
import { countMessages, expectEpoch, readPublished, type ExpectedEpoch, type ExpectedWindow } from './truth.ts';

/** One node's spool drops what is oldest in most outages of the broker; the others' hold what the broker missed, as a real one does. */
const SMALL = { diskMegabytes: 4, spoolBytes: 300_000 };
const ROOMY = { diskMegabytes: 48, spoolBytes: 32 << 20 };

/** Megabytes, several times what a run of ten minutes writes. An aggregator of a broker and a server has nothing on a disk. */
const SERVICE_DISKS = { clickhouse: 64, 'symbolizer 1': 8, 'symbolizer 2': 8 };

const here = dirname(fileURLToPath(import.meta.url));
const repository = dirname(dirname(here));
const node = join(repository, 'node_modules/node/bin/node');

export interface FaultRunOptions {
  readonly seed: number;
  /** How long faults happen. */
  readonly seconds: number;
  readonly say: (line: string) => void;
}

export interface FaultRunReport {
  /** Empty when every row is there exactly once and every count is right. */
  readonly differences: readonly string[];
  readonly faults: Readonly<Record<string, number>>;
  readonly skipped: readonly string[];
  /** How often the store refused a block because its disk was full. */
  readonly noSpace: number;
  readonly rows: number;
  readonly epochs: readonly ExpectedEpoch[];
}

interface Target {
  readonly kinds: readonly FaultKind[];
  /** Resolves when the fault is over; what was killed need not be ready yet. */
  strike(fault: Fault): Promise<void>;
}

/**
 * The whole pipeline as processes, a fleet that publishes, and faults from a seed. Afterwards everything is started and drained,
 * and what the store holds is compared with what the fleet wrote down before it handed anything over.
 */
export async function runFaults({ seed, seconds, say }: FaultRunOptions): Promise<FaultRunReport> {
  const data = mkdtempSync(join(tmpdir(), 'perfleet-faults-'));
  const cleanUp: Array<() => unknown> = [() => rmSync(data, { recursive: true, force: true })];
  try {
    const began = performance.now();
    const tell = (text: string) => say(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`);
    const skipped: string[] = [];
    const diskOf = (name: string, megabytes: number) => {
      const { disk, reason } = SmallDisk.open(join(data, name), megabytes);
      if (disk) cleanUp.push(() => disk.remove());
      else skipped.push(`fill-disk of ${name}: ${reason}`);
      return disk;
    };
    const logs = diskOf('kafka', 128);
    const kafka = await startKafka({ properties: { 'log.dirs': join(data, 'kafka', 'data') } });
    cleanUp.push(() => kafka.stop());
    let redis = await startRedis();
    cleanUp.push(() => redis.stop());
    const url = `http://127.0.0.1:${await freePort()}`;
    const env = {
      PERFLEET_KAFKA_BROKERS: kafka.brokers.join(),
      PERFLEET_REDIS_URL: redis.url,
      PERFLEET_CLICKHOUSE_URL: url,
    };
    const service = (name: string, command: string, ...args: string[]) => {
      const bundle = join(repository, 'bin/perfleet.mjs');
      return new Supervised(name, [node, bundle, command, '--data', join(data, name), ...args], env);
    };
    const disks = new Map(
      Object.entries(SERVICE_DISKS).map(([name, megabytes]) => [name, diskOf(name, megabytes)] as const),
    );
    const services = [
      service('clickhouse', 'clickhouse', '--http-port', new URL(url).port),
      ...['aggregator 1', 'aggregator 2'].map((name) => service(name, 'aggregator')),
      ...['symbolizer 1', 'symbolizer 2'].map((name) => service(name, 'symbolizer', '--node', name)),
    ];
    cleanUp.push(() => Promise.all(services.map((one) => one.end('SIGKILL', 10_000))));
    services[0]!.start();
    await services[0]!.untilReady(60_000);
    for (const one of services.slice(1)) one.start();
    await Promise.all(services.map((one) => one.untilReady(60_000)));
    const stream = await openKafkaStream({ brokers: kafka.brokers, clientId: 'faults' });
    cleanUp.push(() => stream.close());

    const nodes = 3;
    const fleet = faultFleet(seed, nodes);
    const start = Math.floor(Date.now() / 1000) - 12 * 3600;
    const members = Array.from({ length: nodes }, (_, i) => {
      const name = fleet.nodeName(i);
      const room = i === 0 ? SMALL : ROOMY;
      const disk = diskOf(name, room.diskMegabytes);
      mkdirSync(join(data, 'journals'), { recursive: true });
      const journal = join(data, 'journals', `${name}.jsonl`);
      const options: FleetNodeOptions = {
        ...{ node: i, nodes, seed, brokers: kafka.brokers, journal, start, windowMs: 150 },
        ...{ spool: join(data, name, 'spool.db'), spoolBytes: room.spoolBytes },
      };
      const flags = ['--disable-warning=ExperimentalWarning', '--experimental-transform-types'];
      const command = [node, ...flags, join(here, 'fleet-node.ts'), JSON.stringify(options)] as const;
      return { name, journal, disk, process: new Supervised(name, [...command]) };
    });
    cleanUp.push(() => Promise.all(members.map(({ process }) => process.end('SIGKILL', 10_000))));
    for (const { process } of members) process.start();
    await Promise.all(members.map(({ process }) => process.untilReady(30_000)));
    const logged = () => selectNumber(url, 'SELECT uniqExact(partition, `offset`) FROM delivery_log');
    await waitFor(async () => (await logged()) > 0, { timeoutMs: 60_000, what: 'a first message to be stored' });
    tell('everything is up');

    const targets: Record<string, Target> = {
      kafka: {
        kinds: ['kill', 'freeze', 'restart', ...(logs ? (['fill-disk'] as const) : [])],
        async strike({ kind, ms }) {
          if (kind === 'freeze') return frozen(kafka, ms);
          if (kind === 'fill-disk') {
            // A broker that could not write gives its log up until it is started again; it may have ended by itself.
            await full(logs!, ms);
            await kafka.kill();
          } else {
            await kafka.kill();
            await pause(ms);
          }
          await kafka.restart();
        },
      },
      redis: {
        kinds: ['kill', 'freeze'],
        async strike({ kind, ms }) {
          if (kind === 'freeze') return frozen(redis, ms);
          await redis.stop();
          await pause(ms);
          redis = await startRedis({ port: redis.port });
        },
      },
    };
    for (const one of services) targets[one.name] = supervised(one, disks.get(one.name));
    for (const { name, process, disk } of members) targets[name] = supervised(process, disk);
    const kinds = Object.fromEntries(Object.entries(targets).map(([name, target]) => [name, target.kinds]));
    const plan = planFaults(seed, kinds, seconds, ['aggregator 1', 'aggregator 2', 'symbolizer 1', 'symbolizer 2']);
    const struck = await carryOut(plan, targets, seconds, tell);

    await Promise.all([...services, ...members.map(({ process }) => process)].map((one) => one.untilReady(120_000)));
    tell('everything is up again; the fleet stops and sends what it has spooled');
    const codes = await Promise.all(members.map(({ process }) => process.end('SIGTERM', 120_000)));
    const differences = new Differences();
    codes.forEach((code, i) => code !== 0 && differences.add('exit', `${members[i]!.name} with ${code}`));

    const stored = async (messages: number) => {
      const what = () => `${messages} messages to be stored`;
      await waitFor(async () => (await logged()) >= messages, { timeoutMs: 180_000, intervalMs: 200, what: what() });
    };
    await stored(await countMessages(stream));
    // What was stored long ago comes once more, so that every run has a message that was sent twice.
    const { firsts } = await readPublished(stream);
    const producer = await stream.producer();
    for (const { key, value, headers } of firsts) await producer.send(TOPICS.profiles, [{ key, value, headers }]);
    await stored(await countMessages(stream));
    await waitFor(async () => (await selectNumber(url, UNANSWERED_FRAMES)) === 0, {
      ...{ timeoutMs: 120_000, intervalMs: 200, what: 'an answer of a symbolizer for every frame' },
    });
    tell('everything is drained');

    const { messages } = await readPublished(stream);
    const windows: ExpectedWindow[] = [];
    const epochs: ExpectedEpoch[] = [];
    for (const { name, journal } of members) {
      for (const one of readJournal(journal)) {
        const published = messages.filter(({ headers }) => headers.node === name && headers.epoch === one.epoch);
        const { expected, stored } = expectEpoch(name, one, published);
        windows.push(...stored);
        if (published.length > 0) epochs.push(expected);
        else if (expected.taken > 0) say(`nothing of ${name} ${one.epoch} came out, ${expected.taken} samples taken`);
      }
    }
    const rows = await checkRows(url, windows, differences);
    await checkDeliveries(url, epochs, differences);
    await checkLog(url, messages, differences);
    await checkRollUps(url, differences);
    await checkReferences(url, differences);
    const counted: Record<string, number> = {};
    for (const { target, kind } of struck) counted[`${kind} ${target}`] = (counted[`${kind} ${target}`] ?? 0) + 1;
    const noSpace = services.reduce((sum, one) => sum + one.said(/not enough space/), 0);
    tell('checked');
    return { differences: differences.summary(), faults: counted, skipped, noSpace, rows, epochs };
  } finally {
    for (const step of cleanUp.reverse()) await step();
  }
}

async function full(disk: SmallDisk, ms: number): Promise<void> {
  disk.fill();
  await pause(ms);
  disk.free();
}

async function frozen(server: { pause(): void; resume(): void }, ms: number): Promise<void> {
  server.pause();
  await pause(ms);
  server.resume();
}

function supervised(process: Supervised, disk: SmallDisk | null = null): Target {
  return {
    kinds: ['kill', 'freeze', 'restart', ...(disk ? (['fill-disk'] as const) : [])],
    async strike({ kind, ms }) {
      if (kind === 'kill') process.kill(ms);
      else if (kind === 'restart') process.restart();
      else if (kind === 'fill-disk') return full(disk!, ms);
      else process.freeze();
      await pause(ms);
      if (kind === 'freeze') process.thaw();
    },
  };
}

/**
 * Each fault at its time, or when the one before it on the same target is over. On a slow machine a broker takes long to come
 * back: what is not struck when the time is over is left out. @returns what was struck
 */
async function carryOut(
  plan: readonly Fault[],
  targets: Record<string, Target>,
  seconds: number,
  tell: (text: string) => void,
): Promise<Fault[]> {
  const began = performance.now();
  const last = new Map<string, Promise<void>>();
  const struck: Fault[] = [];
  for (const fault of plan) {
    await pause(Math.max(0, fault.at - (performance.now() - began)));
    const before = last.get(fault.target) ?? Promise.resolve();
    const strike = before.then(async () => {
      if (performance.now() - began > seconds * 1000) return;
      tell(`${fault.kind} ${fault.target}${fault.ms > 0 ? ` (${fault.ms} ms)` : ''}`);
      struck.push(fault);
      await targets[fault.target]!.strike(fault);
    });
    strike.catch(() => undefined);
    last.set(fault.target, strike);
  }
  await Promise.all(last.values());
  return struck;
}
