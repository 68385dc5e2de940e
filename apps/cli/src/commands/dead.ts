import { TOPICS } from '@perfleet/messages';
import type { Stream } from '@perfleet/stream';
import { InvalidArgumentError, type Command } from 'commander';
import { openStream } from '../adapters.ts';
import type { DeadLetter, LetterFilter } from '../dead/letters.ts';
import { serviceLogger } from '../service-logger.ts';
import { loadSettings } from '../settings.ts';
import { cellText, formatTable } from '../table.ts';
import { parseTime, wholeNumber } from './arguments.ts';
import { confirm } from './confirm.ts';
import { asSettings, withOptions } from './options.ts';

const HELP = `
Messages that a service could not use stand on the topic perfleet.dead with the reason, for 14 days. A letter's id is
PARTITION:OFFSET on that topic. A replay is stored once however often it is repeated: deliveries know each message by node, epoch
and sequence. A profile message whose headers could be read and whose body could not counts its samples as undecodable until it is
replayed and can be used: then they are stored.

Examples:
  perfleet dead list --reason schema --from now-2h
  perfleet dead show 2:17
  perfleet dead replay 2:17 --yes
  perfleet dead replay --topic symbols --from now-1d --limit 1000`;

interface Flags extends Record<string, unknown> {
  topic?: string;
  partition?: string;
  offset?: string;
  reason?: string;
  from?: string;
  until?: string;
  limit: string;
  bytes: string;
  json?: boolean;
  yes?: boolean;
}

/** Messages that could not be used. */
export function registerDead(program: Command): void {
  const dead = program
    .command('dead')
    .description('messages that could not be used: list, show, replay')
    .addHelpText('after', HELP);
  const command = (name: string, description: string) =>
    withOptions(dead.command(name).description(description).exitOverride().addHelpText('after', HELP), [
      'kafka',
      'data',
    ]);
  const filtered = (one: Command) =>
    one
      .option('--topic <name>', 'of messages that stood on this topic, such as profiles or perfleet.symbols')
      .option('--partition <n>', 'of messages that stood in this partition of their topic')
      .option('--offset <n>', 'of the message that stood at this offset of its topic')
      .option('--reason <text>', 'whose reason holds this text')
      .option('--from <time>', 'that died since: Unix seconds, RFC 3339, now-2h')
      .option('--until <time>', 'that died before');

  filtered(command('list', 'the newest letters, oldest first'))
    .option('--limit <n>', 'letters at most', '50')
    .option('--json', 'as JSON')
    .action((flags: Flags) => withDead(flags, (stream, topic) => list(stream, topic, flags)));

  command('show', 'headers and body of one')
    .argument('<id>', 'PARTITION:OFFSET, as `list` has it', letterId)
    .option('--bytes <n>', 'of the body', '512')
    .option('--json', 'as JSON, the whole body in base64')
    .action((id: string, flags: Flags) => withDead(flags, (stream, topic) => show(stream, topic, id, flags)));

  filtered(command('replay', 'publish the original bytes on the original topic again'))
    .argument('[ids...]', 'PARTITION:OFFSET, as `list` has it; without any, all that the options choose')
    .option('--limit <n>', 'letters at most; more are refused', '1000')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON')
    .action((ids: string[], flags: Flags) => withDead(flags, (stream, topic) => replay(stream, topic, ids, flags)));
}

async function withDead(flags: Flags, work: (stream: Stream, topic: string) => Promise<void>): Promise<void> {
  const names = ['topic', 'partition', 'offset', 'reason', 'from', 'until', 'limit', 'bytes', 'json', 'yes'];
  const own = Object.fromEntries(Object.entries(flags).filter(([name]) => !names.includes(name)));
  const settings = loadSettings(asSettings(own));
  const stream = await openStream(settings, serviceLogger({ ...settings, logLevel: 'warn' }, 'dead'));
  try {
    await work(stream, settings.topicPrefix + TOPICS.dead);
  } finally {
    await stream.close();
  }
}

async function list(stream: Stream, topic: string, flags: Flags): Promise<void> {
  const limit = wholeNumber('--limit', flags.limit, 1, 10_000);
  const { findLetters } = await import('../dead/letters.ts');
  const { letters, matched } = await findLetters(stream, topic, filterOf(flags), limit);
  if (flags.json) return print(JSON.stringify(letters.map(shortForm), null, 2));
  if (letters.length === 0) return print('no dead letter');
  const rows = letters
    .map(shortForm)
    .map((l) => [l.id, l.time, l.topic, `${l.partition}:${l.offset}`, l.node, l.bytes, l.reason]);
  print(formatTable(['id', 'died (UTC)', 'topic', 'stood at', 'node', 'bytes', 'why'], rows).trimEnd());
  if (matched > letters.length) process.stderr.write(`the newest ${letters.length} of ${matched}; more with --limit\n`);
}

async function show(stream: Stream, topic: string, id: string, flags: Flags): Promise<void> {
  const bytes = wholeNumber('--bytes', flags.bytes, 0, 1 << 20);
  const { findLetters } = await import('../dead/letters.ts');
  const { hexDump, summarize } = await import('../dead/summary.ts');
  const [letter] = (await findLetters(stream, topic, { ids: new Set([id]) }, 1)).letters;
  if (!letter) throw new Error(`there is no dead letter ${id}; \`perfleet dead list\` shows what there is`);
  const { headers, message } = letter;
  const body = message.value ?? new Uint8Array();
  if (flags.json) {
    const more = { headers, summary: summarize(letter), body: Buffer.from(body).toString('base64') };
    return print(JSON.stringify({ ...shortForm(letter), ...more }, null, 2));
  }
  const { time, partition, offset, reason } = shortForm(letter);
  print(`${cellText(letter.topic)} ${partition}:${offset}, died ${time} UTC: ${cellText(reason)}`);
  print(summarize(letter));
  for (const [name, value] of Object.entries(headers)) print(`  ${cellText(name)}: ${cellText(value.slice(0, 1000))}`);
  print(`body, ${body.byteLength} bytes${body.byteLength > bytes ? `, the first ${bytes}` : ''}:`);
  print(hexDump(body.subarray(0, bytes)));
}

async function replay(stream: Stream, topic: string, ids: readonly string[], flags: Flags): Promise<void> {
  const limit = wholeNumber('--limit', flags.limit, 1, 10_000);
  const filter = filterOf(flags);
  if (ids.length === 0 && Object.values(filter).every((value) => value === undefined))
    throw new Error('say which letters: ids, or options such as --reason or --from');
  const wanted = ids.length === 0 ? undefined : new Set(ids.map(letterId));
  const { findLetters } = await import('../dead/letters.ts');
  const { letters, matched } = await findLetters(stream, topic, { ...filter, ids: wanted }, limit);
  if (matched > limit)
    throw new Error(`${matched} letters are more than --limit ${limit}: narrow the options or raise it`);
  const found = new Set(letters.map(({ id }) => id));
  const absent = [...(wanted ?? [])].filter((id) => !found.has(id));
  if (absent.length > 0) throw new Error(`there is no dead letter ${absent.join(', ')} that the options choose`);
  if (letters.length === 0) return print('no dead letter');
  // Where a letter goes is what it says itself: only to topics of this fleet, and never back to the dead.
  const prefix = topic.slice(0, -TOPICS.dead.length);
  const known = new Set<string>(
    Object.values(TOPICS)
      .filter((name) => name !== TOPICS.dead)
      .map((name) => prefix + name),
  );
  const stray = letters.filter((letter) => !known.has(letter.topic));
  if (stray.length > 0)
    throw new Error(
      `${stray.length} letters come from no topic of this fleet, such as ${stray[0]!.id} (${cellText(stray[0]!.topic)})`,
    );
  const topics = [...new Set(letters.map((letter) => letter.topic))];
  if (!(await confirm(`Publish ${letters.length} messages again on ${topics.join(', ')}?`, flags.yes))) return;
  const producer = await stream.producer();
  try {
    for (const { topic: origin, headers, message } of letters)
      await producer.send(origin, [{ key: message.key, value: message.value, headers }]);
  } finally {
    await producer.close();
  }
  if (flags.json) return print(JSON.stringify(letters.map(shortForm), null, 2));
  print(`${letters.length} messages are published again on ${topics.join(', ')}`);
}

function filterOf(flags: Flags): LetterFilter {
  const { topic, partition, offset, reason, from, until } = flags;
  return {
    topic,
    reason,
    partition: partition === undefined ? undefined : wholeNumber('--partition', partition, 0, 1 << 20),
    offset: offset === undefined ? undefined : BigInt(wholeNumber('--offset', offset, 0, Number.MAX_SAFE_INTEGER)),
    from: from === undefined ? undefined : parseTime('--from', from, Date.now()),
    until: until === undefined ? undefined : parseTime('--until', until, Date.now()),
  };
}

function shortForm({ id, time, topic, partition, offset, headers, reason, message }: DeadLetter) {
  return {
    id,
    time: new Date(time).toISOString().slice(0, 19).replace('T', ' '),
    topic,
    partition,
    offset: String(offset),
    node: headers['node'] ?? (message.key ? Buffer.from(message.key).toString('utf8').slice(0, 253) : ''),
    bytes: message.value?.byteLength ?? 0,
    reason,
  };
}

function letterId(text: string): string {
  if (!/^\d{1,7}:\d{1,19}$/.test(text))
    throw new InvalidArgumentError(`${text}: expected PARTITION:OFFSET, such as 2:17`);
  return text;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
