import { createHash } from 'node:crypto';
import { RowBinaryBlock, TABLES, type BlockStore, type Shards, type ShardStore } from '@perfleet/clickhouse';
import type { BlockTable, MessageMapper, ProfileMapper } from '@perfleet/mapping';
import type { PartitionAssignment } from '@perfleet/stream';
import type { Block, Sink } from './block-handler.ts';
import { sendDead } from './dead-letters.ts';
import { encodeDeliveries } from './deliveries.ts';
import { Duplicates } from './duplicates.ts';
import { readProfiles, sampleRows, type ProfilesItem } from './read-profiles.ts';
import type { SinkParts } from './small-sinks.ts';

export interface ProfilesSinkParts extends Omit<SinkParts, 'store'> {
  readonly shards: Shards;
}

/** Blocks of an assignment are written in order. */
interface OfAssignment {
  /** A row that one block has no later one needs. */
  readonly mapper: MessageMapper;
  readonly duplicates: Duplicates;
  /** Whoever had the partition before may have written to another replica. */
  caughtUp: boolean;
}

/** Series, stacks and frames first, then samples, with a link and all, and the deliveries last: a replay decides alike. */
export function profilesSink(parts: ProfilesSinkParts, mapper: ProfileMapper): Sink<ProfilesItem> {
  const { shards, producer, deadTopic, stats } = parts;
  const oneAtATime = exclusive();
  const known = new WeakMap<PartitionAssignment, OfAssignment>();
  const of = (assignment: PartitionAssignment): OfAssignment => {
    const state = known.get(assignment) ?? {
      mapper: mapper.open(),
      duplicates: new Duplicates(assignment),
      caughtUp: false,
    };
    known.set(assignment, state);
    return state;
  };
  const writerOf = async (block: Block<ProfilesItem>, state: OfAssignment): Promise<ShardStore> => {
    const writer = shards.writer(block.shard);
    if (!state.caughtUp) await writer.catchUp();
    state.caughtUp = true;
    return writer;
  };
  return {
    async accept(messages, assignment) {
      const items = await readProfiles(of(assignment).mapper, messages);
      return items.map((item) => ({ item, rows: sampleRows(item) + 1, spent: item.mapped !== null }));
    },
    async write(block, assignment) {
      const dead = block.items.filter((item) => item.reason !== '');
      const state = of(assignment);
      const store = await writerOf(block, state);
      const duplicates = await state.duplicates.find(store, block);
      const live = block.items.filter((item) => item.mapped !== null && !duplicates.has(item));
      const samples = await writeTables(store, mapper, oneAtATime, live, block);
      state.mapper.forget();
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
