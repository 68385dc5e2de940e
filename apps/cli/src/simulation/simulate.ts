import { writeFileSync } from 'node:fs';
import { TOPICS } from '@perfleet/messages';
import { Shutdown } from '@perfleet/observability';
import { Fleet, Totals } from '@perfleet/simulate';
import { ensureDataDir, openStream } from '../adapters.ts';
import { parseDuration, wholeNumber } from '../commands/arguments.ts';
import { asSettings } from '../commands/options.ts';
import { serviceLogger } from '../service-logger.ts';
import { loadSettings } from '../settings.ts';
import { Sender } from './sender.ts';

export interface SimulateFlags extends Record<string, unknown> {
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

/** Publishes the windows of the fleet's life; ends the process. */
export async function simulate(flags: SimulateFlags): Promise<void> {
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
