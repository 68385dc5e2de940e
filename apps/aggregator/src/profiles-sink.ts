import { createHash } from 'node:crypto';
import { RowBinaryBlock, TABLES, type BlockStore, type Shards, type ShardStore } from '@perfleet/clickhouse';
import { SAMPLE_ROW_BYTES, type BlockTable, type MessageMapper, type ProfileMapper } from '@perfleet/mapping';
import type { PartitionAssignment } from '@perfleet/stream';
import type { Block, Sink } from './block-handler.ts';
import { sendDead } from './dead-letters.ts';
import { readProfiles, sampleRows, type ProfilesItem } from './read-profiles.ts';
import type { SinkParts } from './small-sinks.ts';

export interface ProfilesSinkParts extends Omit<SinkParts, 'store'> {
  readonly shards: Shards;
}

/** Series, stacks and frames first, then samples, with a link and all, and the deliveries last: a replay decides alike. */
export function profilesSink(parts: ProfilesSinkParts, mapper: ProfileMapper): Sink<ProfilesItem> {
  const { shards, producer, deadTopic, stats } = parts;
  const oneAtATime = exclusive();
  /** Blocks of an assignment are written in order: a row that one has no later one needs. */
  const mappers = new WeakMap<PartitionAssignment, MessageMapper>();
  const mapperOf = (assignment: PartitionAssignment) => {
    const known = mappers.get(assignment) ?? mapper.open();
    mappers.set(assignment, known);
    return known;
  };
  /** Whoever had the partition before may have written to another replica. */
  const caughtUp = new WeakSet<PartitionAssignment>();
  const writerOf = async (block: Block<ProfilesItem>, assignment: PartitionAssignment): Promise<ShardStore> => {
    const writer = shards.writer(block.shard);
    if (!caughtUp.has(assignment)) await writer.catchUp();
    caughtUp.add(assignment);
    return writer;
  };
  return {
    async accept(messages, assignment) {
      const items = await readProfiles(mapperOf(assignment), messages);
      return items.map((item) => ({ item, rows: sampleRows(item) + 1, spent: item.mapped !== null }));
    },
    async write(block, assignment) {
      const dead = block.items.filter((item) => item.reason !== '');
      const store = await writerOf(block, assignment);
      const duplicates = await findDuplicates(store, block, assignment);
      const live = block.items.filter((item) => item.mapped !== null && !duplicates.has(item));
      const samples = await writeTables(store, mapper, oneAtATime, live, block);
      mapperOf(assignment).forget();
      const log = encodeDeliveries(block.items, duplicates, assignment);
      await store.insert('delivery_log', TABLES.delivery_log, log, block.token('delivery_log'));
      // After the tables: an outage of the store, with its retries, sends no letter twice.
      await sendDead(producer, deadTopic, dead);
      stats.messages += block.items.length;
      stats.bytes += block.items.reduce((sum, item) => sum + item.bytes, 0);
      stats.blocks += 1;
      stats.rows += samples.rows;
      stats.dead += dead.length;
      stats.duplicates += duplicates.size;
      stats.clamped += live.reduce((sum, item) => sum + item.mapped!.clamped, 0);
      stats.lastCommit = Date.now();
    },
  };
}

type Exclusive = <T>(work: () => Promise<T>) => Promise<T>;

/** Runs what it is given in turn; what fails holds nobody up. */
function exclusive(): Exclusive {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}

/** @returns what became of the samples */
async function writeTables(
  store: BlockStore,
  mapper: ProfileMapper,
  oneAtATime: Exclusive,
  live: readonly ProfilesItem[],
  block: Block<ProfilesItem>,
): Promise<BlockTable> {
  const seen = Math.floor((block.items.at(-1)?.message.timestamp ?? 0) / 1000);
  // Of every message: what one refers to may stand in the batch of one before it, be that a duplicate or of no use itself.
  const batches = [...new Set(block.items.flatMap((item) => item.batch ?? []))];
  // What is new depends on what this process wrote before: the token must not repeat for other rows.
  const token = (table: string, { ids }: BlockTable) =>
    block.token(`${table}:${createHash('sha256').update(ids).digest('hex')}`);
  const rows = (table: BlockTable) => RowBinaryBlock.of(table.bytes, table.rows);
  // One block after another: partitions share most stacks and frames, and each is to find what the one before it wrote.
  const { samples, linked } = await oneAtATime(async () => {
    const { samples, linked, series, stacks, frames } = await mapper.block({
      samples: live.map((item) => item.mapped!.samples),
      linked: live.map((item) => item.mapped!.linked),
      series: batches.map((batch) => batch.series),
      stacks: batches.map((batch) => batch.stacks),
      frames: batches.map((batch) => batch.frames),
      seen,
    });
    await store.insert('series', TABLES.series, rows(series), token('series', series));
    await store.insert('stacks', TABLES.stacks, rows(stacks), token('stacks', stacks));
    await store.insert('frames', TABLES.frames, rows(frames), token('frames', frames));
    await mapper.written(series.ids, stacks.ids, frames.ids, seen);
    return { samples, linked };
  });
  await store.insert('linked_samples', TABLES.linked_samples, rows(linked), block.token('linked_samples'));
  await store.insert('samples', TABLES.samples, rows(samples), block.token('samples'));
  return samples;
}

const keyOf = (h: { node: string; epoch: string; seq: number | string }) => `${h.node}\0${h.epoch}\0${h.seq}`;

/**
 * Messages whose (node, epoch, seq) stands at a lower offset of this partition, in the store or in the block. One that could not
 * be used there left nothing: published again (`perfleet dead replay`) it counts as the first.
 */
async function findDuplicates(store: BlockStore, block: Block<ProfilesItem>, assignment: PartitionAssignment) {
  const known = block.items.flatMap((item) => (item.headers ? [item.headers] : []));
  const duplicates = new Set<ProfilesItem>();
  if (known.length === 0) return duplicates;
  const rows = await store.query<{ node: string; epoch: string; seq: string }>(
    `SELECT node, epoch, seq FROM delivery_log
     WHERE node IN {nodes:Array(String)} AND epoch IN {epochs:Array(String)} AND seq IN {seqs:Array(UInt64)}
       AND topic_id = {topic:String} AND partition = {partition:UInt32} AND \`offset\` < {from:UInt64} AND undecodable = 0`,
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
    if (item.reason === '') seen.add(key);
  }
  return duplicates;
}

/** When the window began that a message tells of, Unix seconds: a message of a collector is of one. Without samples, when it came. */
function windowStart({ mapped, message }: ProfilesItem): number {
  const rows = mapped?.samples;
  if (!rows || rows.byteLength < SAMPLE_ROW_BYTES) return Math.floor(message.timestamp / 1000);
  return new DataView(rows.buffer, rows.byteOffset).getUint32(0, true);
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
    block.u64(BigInt(duplicate ? 0 : Math.round(item.mapped?.stored ?? 0)));
    block.map(Object.entries(h.lost), (w, count) => w.u64(BigInt(count ?? 0)));
    block
      .i64(BigInt(Math.trunc(item.skewMs)))
      .u8(duplicate ? 1 : 0)
      .u8(item.reason === '' ? 0 : 1)
      .dateTime(windowStart(item))
      .row();
  }
  return block;
}
