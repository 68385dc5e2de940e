/**
 * One node of the simulated fleet as a process that can be killed: windows go through the collector's own spool and publisher.
 *
 *   fleet-node.ts '{"node": 0, "nodes": 3, "seed": 1, "brokers": […], "spool": FILE, "journal": FILE, "start": UNIX_SECONDS, …}'
 *
 * SIGTERM ends the sampling; the process exits when the spool is empty. It ends with its standard input.
 */
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { Publisher } from '@perfleet/collector/publisher';
import { Spool } from '@perfleet/collector/spool';
import { TOPICS } from '@perfleet/messages';
import { createLogger } from '@perfleet/observability';
import { ProfilesEncoder } from '@perfleet/otlp';
import { nodeMessage } from '@perfleet/simulate';
import { openKafkaStream, type KafkaStream } from '@perfleet/stream';
import { faultFleet, rowsOf } from './fleet.ts';
import { Journal, readJournal, type JournalEpoch } from './journal.ts';

export interface FleetNodeOptions {
  readonly node: number;
  readonly nodes: number;
  readonly seed: number;
  readonly brokers: readonly string[];
  readonly spool: string;
  readonly spoolBytes: number;
  readonly journal: string;
  /** Time of window 0, Unix seconds; each window is a second of the fleet's time. */
  readonly start: number;
  /** Real time between two windows. */
  readonly windowMs: number;
}

const options = JSON.parse(process.argv[2]!) as FleetNodeOptions;
const logger = createLogger(`node ${options.node}`, { level: 'warn' });
const fleet = faultFleet(options.seed, options.nodes);
const pods = fleet.pods.filter(({ node }) => node === options.node);
const topic = TOPICS.profiles;

let stopping = false;
process.on('SIGTERM', () => (stopping = true));
process.stdin.on('close', () => process.exit(1)).resume();

/** Messages that the spool was given in an epoch, and the samples that they speak for; null when it knows nothing of it. */
function given(epoch: string): { messages: number; taken: number } | null {
  const db = new DatabaseSync(options.spool);
  try {
    const row = db.prepare('SELECT next_seq, taken FROM epochs WHERE epoch = ?').get(epoch) as
      { next_seq: number; taken: number } | undefined;
    if (!row) return null;
    const waiting = db.prepare('SELECT samples, lost FROM messages WHERE epoch = ? AND seq IS NOT NULL').all(epoch);
    const taken = (waiting as Array<{ samples: number; lost: string }>).reduce((sum, { samples, lost }) => {
      const counts = Object.values(JSON.parse(lost) as Record<string, number>);
      return sum + samples + counts.reduce((a, b) => a + b, 0);
    }, row.taken);
    return { messages: row.next_seq - 1, taken };
  } finally {
    db.close();
  }
}

const counts = (epoch: string, lost: Record<string, number>) => [
  { topic, epoch, body: new ProfilesEncoder().finish(), samples: 0, lost },
];

/** Says in the name of a run that was killed what it had taken and could not hand over. */
function finish(spool: Spool, journal: Journal, last: JournalEpoch): void {
  const known = given(last.epoch);
  const open = last.windows.at(-1);
  const before = last.windows.filter(({ taken }) => taken).length;
  if (open?.taken === null) {
    if (!known) throw new Error(`the spool forgot epoch ${last.epoch} with a window in the air`);
    open.taken = known.messages > before;
    journal.write({ kind: 'outcome', window: open.window, taken: open.taken });
  }
  if (!known) return;
  const untold = last.windows.reduce((sum, { samples }) => sum + samples, 0) - known.taken;
  if (untold > 0 && !spool.append(counts(last.epoch, { 'unclean-exit': untold }))) throw new Error('the disk is full');
}

/** As a supervisor would start a collector again that found its disk full. */
async function openSpool(journal: Journal, last: JournalEpoch | undefined, epoch: string): Promise<Spool> {
  for (;;) {
    let spool: Spool | null = null;
    try {
      spool = Spool.open(options.spool, { bytes: options.spoolBytes });
      if (spool.openedWith) logger.error(spool.openedWith);
      if (last) finish(spool, journal, last);
      spool.beginEpoch(epoch, Date.now());
      return spool;
    } catch (error) {
      logger.warn({ error: String(error) }, 'the spool was not opened; it is tried again');
      spool?.close();
      await pause(200);
    }
  }
}

/** Opened by the first producer that is asked for, like the collector's: the brokers may be away at the start. */
const opened: { kafka: KafkaStream | null } = { kafka: null };
const stream = {
  async producer() {
    opened.kafka ??= await openKafkaStream({ brokers: options.brokers, clientId: `node-${options.node}` });
    return opened.kafka.producer();
  },
};

const epochs = readJournal(options.journal);
const journal = new Journal(options.journal);
const epoch = randomBytes(8).toString('hex');
const spool = await openSpool(journal, epochs.at(-1), epoch);
journal.write({ kind: 'epoch', epoch });
const publisher = new Publisher({
  ...{ stream, spool, node: fleet.nodeName(options.node), logger },
  backoffMs: { min: 100, max: 500 },
});
publisher.start();
process.stdout.write(`node ${options.node} is running\n`);

const windows = epochs.flatMap((one) => one.windows);
for (let window = (windows.at(-1)?.window ?? -1) + 1; !stopping; window++) {
  const time = options.start + window;
  const { body, samples } = nodeMessage(fleet, pods, window, time, 1);
  journal.write({ kind: 'window', window, time, rows: rowsOf(fleet, pods, window) });
  const taken = publisher.publish([{ topic, epoch, body, samples }]);
  journal.write({ kind: 'outcome', window, taken });
  await pause(options.windowMs);
}
while (Object.keys(spool.carried).length > 0 && !publisher.publish(counts(epoch, {}))) await pause(100);
while (!(await publisher.drain(1000))) await pause(100);
await publisher.stop(2000);
await opened.kafka?.close();
spool.close();
process.exit(0);
