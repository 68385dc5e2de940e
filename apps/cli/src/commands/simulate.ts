import { writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { encodeProfileHeaders, TOPICS } from '@perfleet/messages';
import { Shutdown } from '@perfleet/observability';
import { OTLP_SCHEMA } from '@perfleet/otlp';
import { Fleet, nodeMessage, Totals, type Pod } from '@perfleet/simulate';
import type { StreamProducer } from '@perfleet/stream';
import type { Command } from 'commander';
import { ensureDataDir, openStream } from '../adapters.ts';
import { serviceLogger } from '../parts.ts';
import { loadSettings } from '../settings.ts';
import { parseDuration, wholeNumber } from './arguments.ts';
import { asSettings, withOptions } from './options.ts';

interface SimulateFlags extends Record<string, unknown> {
  nodes: string;
  pods: string;
  services: string;
  stacks: string;
  samples: string;
  duration: string;
  window: string;
  speed: string;
  seed: string;
  totals?: string;
}

/** A synthetic fleet on the configured stream: the same messages for the same seed, and what they must add up to. */
export function registerSimulate(program: Command): void {
  const command = program
    .command('simulate')
    .description('a synthetic fleet that publishes real messages on the configured stream')
    .option('--nodes <n>', 'nodes', '10')
    .option('--pods <n>', 'pods over all nodes', '100')
    .option('--services <n>', 'services, each with a call graph of its own', '10')
    .option('--stacks <n>', 'distinct stacks of a service', '2500')
    .option('--samples <n>', 'samples of a pod and window, on average', '19')
    .option('--duration <time>', 'time that the fleet lives: 10s, 2m', '1m')
    .option('--window <time>', 'length of a window', '5s')
    .option('--speed <factor>', 'times faster than the clock; 0 = as fast as the stream takes it', '1')
    .option('--seed <n>', 'same seed, same fleet', '1')
    .option('--totals <file>', 'write what a store must hold at the end, as JSON');
  withOptions(command, ['kafka', 'cluster', 'data', 'logLevel']).action(simulate);
}

async function simulate(flags: SimulateFlags): Promise<void> {
  const fleet = new Fleet({
    seed: wholeNumber('--seed', flags.seed, 0, 2 ** 31),
    nodes: wholeNumber('--nodes', flags.nodes, 1, 100_000),
    pods: wholeNumber('--pods', flags.pods, 1, 1_000_000),
    services: wholeNumber('--services', flags.services, 1, 1000),
    stacksPerService: wholeNumber('--stacks', flags.stacks, 1, 1_000_000),
    samplesPerWindow: wholeNumber('--samples', flags.samples, 1, 100_000),
  });
  const seconds = Math.max(1, Math.round(parseDuration('--window', flags.window)));
  const windows = Math.max(1, Math.round(parseDuration('--duration', flags.duration) / seconds));
  const speed = Number(flags.speed);
  if (!(speed >= 0)) throw new Error(`--speed ${flags.speed}: expected 0 or a factor such as 10`);

  const { kafkaBrokers, cluster, data, logLevel, totals: file } = flags;
  const settings = loadSettings(asSettings({ kafkaBrokers, cluster, data, logLevel }));
  const logger = serviceLogger(settings, 'simulate');
  if (settings.kafkaBrokers.length === 0) ensureDataDir(settings.dataDir);
  const shutdown = new Shutdown(logger);
  let stopping = false;
  void shutdown.untilSignal().then(() => (stopping = true));
  const stream = await openStream(settings, logger);
  const producer = await stream.producer();
  const totals = new Totals();
  try {
    const sender = new Sender(fleet, producer, settings.topicPrefix + TOPICS.profiles, totals);
    const began = Date.now();
    let done = 0;
    for (; done < windows && !stopping; done++) {
      const due = speed === 0 ? 0 : began + ((done + 1) * seconds * 1000) / speed;
      while (!stopping && Date.now() < due)
        await new Promise((resolve) => setTimeout(resolve, Math.min(200, due - Date.now())));
      if (stopping) break;
      // Faster than the clock the fleet's time runs ahead of it from a start that lies as far back.
      const start = Math.floor(began / 1000) - (speed === 1 ? seconds : windows * seconds) + done * seconds;
      await sender.window(done, start, seconds);
      process.stderr.write(
        `window ${done + 1} of ${windows}: ${totals.samples} samples, ${sender.rows} rows, ${sender.bytes} bytes\n`,
      );
    }
    process.stdout.write(
      `${totals.samples} samples of ${fleet.pods.length} pods on ${fleet.options.nodes} nodes in ${sender.messages} messages\n`,
    );
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(totals)}\n`);
  } finally {
    await producer.close();
    await stream.close();
  }
  process.exit(0);
}

/** The nodes' collectors: each has an epoch of its own and counts its samples and messages. */
class Sender {
  rows = 0;
  bytes = 0;
  messages = 0;
  private readonly byNode: readonly (readonly Pod[])[];
  private readonly taken: number[];
  private readonly epoch = randomBytes(8).toString('hex');
  private readonly epochStart = Date.now();

  constructor(
    private readonly fleet: Fleet,
    private readonly producer: StreamProducer,
    private readonly topic: string,
    private readonly totals: Totals,
  ) {
    const byNode: Pod[][] = Array.from({ length: fleet.options.nodes }, () => []);
    for (const pod of fleet.pods) byNode[pod.node]!.push(pod);
    this.byNode = byNode;
    this.taken = byNode.map(() => 0);
  }

  async window(window: number, start: number, seconds: number): Promise<void> {
    for (const [node, pods] of this.byNode.entries()) {
      const message = nodeMessage(this.fleet, pods, window, start, seconds, this.totals);
      this.taken[node]! += message.samples;
      const headers = encodeProfileHeaders({
        schema: OTLP_SCHEMA,
        node: this.fleet.nodeName(node),
        epoch: this.epoch,
        epochStart: this.epochStart,
        seq: window + 1,
        sent: Date.now(),
        taken: this.taken[node]!,
        lost: {},
      });
      await this.producer.send(this.topic, [{ key: this.fleet.nodeName(node), value: message.body, headers }]);
      this.rows += message.rows;
      this.bytes += message.body.length;
      this.messages++;
    }
  }
}
