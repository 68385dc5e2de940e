import { createHash } from 'node:crypto';
import { RowBinaryBlock, TABLES, type Store } from '@perfleet/clickhouse';
import { decodeProfileHeaders, type ProfileHeaders } from '@perfleet/messages';
import { decodeProfiles, OTLP_SCHEMA } from '@perfleet/otlp';
import type { PartitionAssignment, StreamMessage } from '@perfleet/stream';
import type { Block, Sink } from './block-handler.ts';
import { sendDead } from './dead-letters.ts';
import { encodeFrames, encodeSamples, encodeSeries, encodeStacks } from './encode.ts';
import { NativeFrames } from './frames.ts';
import { RecentIds } from './lru.ts';
import { mapProfiles, type MapMemory } from './map-profiles.ts';
import type { Id64, MessageRows } from './rows.ts';
import type { SinkParts } from './small-sinks.ts';

const MAX_SKEW_MS = 60_000;
const DAY_SECONDS = 86_400;

export interface ProfilesItem {
  readonly message: StreamMessage;
  readonly headers: ProfileHeaders | null;
  readonly rows: MessageRows | null;
  /** Why it cannot be used; empty when it can. */
  readonly reason: string;
  readonly skewMs: number;
}

/** Ids that this process wrote, shared by its partitions. */
export class WrittenIds {
  readonly series = new RecentIds(200_000);
  readonly stacks = new RecentIds(1_000_000);
  readonly frames = new RecentIds(1_000_000);
  /** What need not be made again of a message; what is in the store already need not be written. */
  readonly memory: MapMemory = {
    native: new NativeFrames(),
    stackWritten: (low, high) => this.stacks.has({ low, high }),
    frameWritten: (frame) => this.frames.has(frame),
  };
}

/** Decoding never rejects: what cannot be used is a value with a reason. */
export function readProfiles(message: StreamMessage, cluster: string, memory?: MapMemory): ProfilesItem {
  const parsed = decodeProfileHeaders(message.headers);
  if (!parsed.ok) return { message, headers: null, rows: null, reason: `headers: ${parsed.error}`, skewMs: 0 };
  const headers = parsed.value;
  const difference = message.timestamp - headers.sent;
  const skewMs = Math.abs(difference) > MAX_SKEW_MS ? difference : 0;
  const unusable = (reason: string) => ({ message, headers, rows: null, reason, skewMs });
  if (headers.schema !== OTLP_SCHEMA) return unusable(`schema ${headers.schema} is not ${OTLP_SCHEMA}`);
  if (message.value === null) return unusable('empty body');
  try {
    const context = { node: headers.node, cluster, timestamp: message.timestamp, shiftMs: skewMs };
    const rows = mapProfiles(decodeProfiles(message.value), context, memory);
    // The body has become rows: holding it until the block is written would double the memory.
    return { message: { ...message, value: null }, headers, rows, reason: '', skewMs };
  } catch (cause) {
    return unusable(cause instanceof Error ? cause.message : String(cause));
  }
}

/** Series, stacks and frames first, then samples, and the deliveries last: a replay decides alike. */
export function profilesSink(parts: SinkParts, written: WrittenIds): Sink<ProfilesItem> {
  const { store, producer, deadTopic, stats } = parts;
  return {
    accept(message) {
      const item = readProfiles(message, parts.cluster, written.memory);
      return { item, rows: (item.rows?.samples.length ?? 0) + 1 };
    },
    async write(block, assignment) {
      const dead = block.items.filter((item) => item.reason !== '');
      const duplicates = await findDuplicates(store, block, assignment);
      const live = block.items.filter((item) => item.rows !== null && !duplicates.has(item));
      await writeTables(store, live, block, written);
      const samples = encodeSamples(live.map((item) => item.rows!.samples));
      await store.insert('samples', TABLES.samples, samples, block.token('samples'));
      const log = encodeDeliveries(block.items, duplicates, assignment);
      await store.insert('delivery_log', TABLES.delivery_log, log, block.token('delivery_log'));
      // After the tables: an outage of the store, with its retries, sends no letter twice.
      await sendDead(producer, deadTopic, dead);
      stats.messages += block.items.length;
      stats.blocks += 1;
      stats.rows += samples.rows;
      stats.dead += dead.length;
      stats.duplicates += duplicates.size;
      stats.clamped += live.reduce((sum, item) => sum + item.rows!.clamped, 0);
      stats.lastCommit = Date.now();
    },
  };
}

async function writeTables(
  store: Store,
  live: readonly ProfilesItem[],
  block: Block<ProfilesItem>,
  written: WrittenIds,
) {
  const seen = Math.floor((live.at(-1)?.message.timestamp ?? 0) / 1000);
  const day = Math.floor(seen / DAY_SECONDS);
  const fresh = <R extends Id64>(known: RecentIds, pick: (rows: MessageRows) => readonly R[], on: number) => {
    const rows = new Map<bigint, R>();
    for (const item of live) for (const row of pick(item.rows!)) if (!known.has(row, on)) rows.set(row.id, row);
    return [...rows.values()];
  };
  const series = fresh(written.series, (rows) => rows.series, day);
  const stacks = fresh(written.stacks, (rows) => rows.stacks, 0);
  const frames = fresh(written.frames, (rows) => rows.frames, 0);
  // What is new depends on what this process wrote before: the token must not repeat for other rows.
  const token = (table: string, rows: readonly Id64[]) => {
    const halves = new Uint32Array(rows.length * 2);
    rows.forEach(({ low, high }, i) => halves.set([low, high], i * 2));
    return block.token(`${table}:${createHash('sha256').update(halves).digest('hex')}`);
  };
  await store.insert('series', TABLES.series, encodeSeries(series, seen), token('series', series));
  await store.insert('stacks', TABLES.stacks, encodeStacks(stacks), token('stacks', stacks));
  await store.insert('frames', TABLES.frames, encodeFrames(frames), token('frames', frames));
  for (const row of series) written.series.add(row, day);
  for (const row of stacks) written.stacks.add(row);
  for (const row of frames) written.frames.add(row);
}

const keyOf = (h: { node: string; epoch: string; seq: number | string }) => `${h.node}\0${h.epoch}\0${h.seq}`;

/** Messages whose (node, epoch, seq) stands at a lower offset of this partition, in the store or in the block. */
async function findDuplicates(store: Store, block: Block<ProfilesItem>, assignment: PartitionAssignment) {
  const known = block.items.flatMap((item) => (item.headers ? [item.headers] : []));
  const duplicates = new Set<ProfilesItem>();
  if (known.length === 0) return duplicates;
  const rows = await store.query<{ node: string; epoch: string; seq: string }>(
    `SELECT node, epoch, seq FROM delivery_log
     WHERE node IN {nodes:Array(String)} AND epoch IN {epochs:Array(String)} AND seq IN {seqs:Array(UInt64)}
       AND topic_id = {topic:String} AND partition = {partition:UInt32} AND \`offset\` < {from:UInt64}`,
    {
      nodes: [...new Set(known.map((h) => h.node))],
      epochs: [...new Set(known.map((h) => h.epoch))],
      seqs: [...new Set(known.map((h) => h.seq))],
      topic: assignment.topicId,
      partition: assignment.partition,
      from: block.range.from,
    },
    { connection: 'ingest' },
  );
  const seen = new Set(rows.map(keyOf));
  for (const item of block.items) {
    if (!item.headers) continue;
    const key = keyOf(item.headers);
    if (seen.has(key)) duplicates.add(item);
    seen.add(key);
  }
  return duplicates;
}

function encodeDeliveries(
  items: readonly ProfilesItem[],
  duplicates: ReadonlySet<ProfilesItem>,
  assignment: PartitionAssignment,
) {
  const block = new RowBinaryBlock();
  for (const item of items) {
    const { headers: h, message } = item;
    if (!h) continue;
    const duplicate = duplicates.has(item);
    block.dateTime64(message.timestamp).str(h.node).str(h.epoch).dateTime64(h.epochStart).u64(BigInt(h.seq));
    block.str(assignment.topicId).u32(message.partition).u64(message.offset).u64(BigInt(h.taken));
    block.u64(BigInt(duplicate ? 0 : Math.round(item.rows?.stored ?? 0)));
    block.map(Object.entries(h.lost), (w, count) => w.u64(BigInt(count ?? 0)));
    block
      .i64(BigInt(Math.trunc(item.skewMs)))
      .u8(duplicate ? 1 : 0)
      .u8(item.reason === '' ? 0 : 1)
      .row();
  }
  return block;
}
