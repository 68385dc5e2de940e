import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { freePort, waitFor } from './helpers.ts';
import { startServerProcess, type ServerProcess } from './server-process.ts';

export interface TestKafka {
  readonly brokers: string[];
  /** Process id of the broker that was started last. */
  pid(): number;
  /** Kills the broker and removes its data. */
  stop(): Promise<void>;
  /** Kills the broker; its data stays. */
  kill(): Promise<void>;
  /** Starts the broker that was killed again, at the same address and with its data. */
  restart(): Promise<void>;
  /** The broker stands still: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
}

const tool = new URL('../../../tools/kafka-jars.mjs', import.meta.url).href;

/** A real broker (KRaft, one node, no automatic topics) on random ports of loopback; about four seconds. Needs `java`. */
export async function startKafka(options: { properties?: Readonly<Record<string, string>> } = {}): Promise<TestKafka> {
  const { ensureKafkaJars } = (await import(/* @vite-ignore */ tool)) as { ensureKafkaJars(): Promise<string> };
  const lib = await ensureKafkaJars();
  const dir = mkdtempSync(join(tmpdir(), 'perfleet-kafka-'));
  try {
    const [port, controller] = [await freePort(), await freePort()];
    const config = join(dir, 'server.properties');
    writeFileSync(config, properties(dir, port, controller, options.properties));
    const java = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', `${lib}/*`];
    const format = ['kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qk', '-c', config];
    await promisify(execFile)('java', [...java, ...format]);
    const brokers = [`127.0.0.1:${port}`];
    const started: ServerProcess[] = [];
    const start = async () => {
      const server = await startServerProcess(dir, 'java', [...java, 'kafka.Kafka', config]);
      started.push(server);
      try {
        await answersMetadata(brokers, () => server.check());
      } catch (error) {
        await server.stop();
        throw new Error(`the Kafka broker did not come up:\n${server.log()}`, { cause: error });
      }
    };
    await start();
    return {
      brokers,
      pid: () => started.at(-1)!.pid,
      stop: async () => void (await Promise.all(started.map((server) => server.stop()))),
      kill: () => started.at(-1)!.kill(),
      restart: start,
      pause: () => started.at(-1)!.signal('SIGSTOP'),
      resume: () => started.at(-1)!.signal('SIGCONT'),
    };
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

async function answersMetadata(brokers: string[], check: () => void): Promise<void> {
  const kafka = new Kafka({ clientId: 'wait', brokers, logLevel: logLevel.NOTHING, retry: { retries: 0 } });
  let ended: Error | null = null;
  await waitFor(
    async () => {
      try {
        check();
      } catch (error) {
        ended = error as Error;
        return true;
      }
      const admin = kafka.admin();
      try {
        await admin.connect();
        return (await admin.describeCluster()).brokers.length === 1;
      } finally {
        await admin.disconnect();
      }
    },
    { timeoutMs: 90_000, intervalMs: 100, what: 'an answer to a metadata request' },
  );
  if (ended) throw ended;
}

function properties(
  dir: string,
  port: number,
  controller: number,
  more: Readonly<Record<string, string>> = {},
): string {
  const all: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(dir, 'data'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'log.cleaner.dedupe.buffer.size': '16777216',
    ...more,
  };
  return Object.entries(all)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}
