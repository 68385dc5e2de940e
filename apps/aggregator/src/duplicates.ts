import type { BlockStore } from '@perfleet/clickhouse';
import type { ProfileHeaders } from '@perfleet/messages';
import type { PartitionAssignment } from '@perfleet/stream';
import type { Block } from './block-handler.ts';
import type { ProfilesItem } from './read-profiles.ts';

/** Some hundred bytes each, in each of a process's 16 partitions. */
const MAX_KEPT = 4096;
/** Each is a range of the primary key that the store looks at, and a line of the query. */
const MAX_LEARNT_AT_ONCE = 64;

type Sequence = Pick<ProfileHeaders, 'node' | 'epoch' | 'seq'>;
type Row = { readonly node: string; readonly epoch: string; readonly seq: string };

const runOf = ({ node, epoch }: Pick<Sequence, 'node' | 'epoch'>) => `${node}\0${epoch}`;
const keyOf = (of: Sequence | Row) => `${runOf(of)}\0${of.seq}`;

export interface DuplicatesOptions {
  /** Runs of collectors that are remembered. */
  readonly kept?: number;
  /** Of them, what a block may add. */
  readonly learntAtOnce?: number;
}

/**
 * Tells, for the blocks of one assignment in their order, which messages were stored before: those whose (node, epoch, seq) stands
 * at a lower offset of this partition. One that could not be used there left nothing: published again (`perfleet dead replay`) it
 * counts as the first.
 *
 * A run of a collector, which is a (node, epoch), numbers its messages 1, 2, 3, … So for each the highest number is kept that is at
 * a lower offset: what is above it is no duplicate, and the store is asked for the rest alone. The number is learnt from the store
 * once and raised with each block; nobody else writes at offsets below a block while the assignment lasts, but for another that is
 * late with a range that this one has replayed. One that is too high costs a question, and never an answer.
 */
export class Duplicates {
  /** By run, the least recently met first. */
  private readonly highest = new Map<string, number>();
  private readonly kept: number;
  private readonly learntAtOnce: number;

  constructor(
    private readonly assignment: PartitionAssignment,
    { kept = MAX_KEPT, learntAtOnce = MAX_LEARNT_AT_ONCE }: DuplicatesOptions = {},
  ) {
    this.kept = kept;
    this.learntAtOnce = learntAtOnce;
  }

  /** Asked again for the same block it answers the same. Rejects while the store is away. */
  async find(store: BlockStore, { items, range }: Block<ProfilesItem>): Promise<Set<ProfilesItem>> {
    const sequences = items.flatMap(({ headers }) => headers ?? []);
    await this.learn(store, sequences, range.from);
    const suspects = sequences.filter((of) => of.seq <= (this.highest.get(runOf(of)) ?? Infinity));
    const stored = await this.stored(store, suspects, range.from);
    const duplicates = new Set<ProfilesItem>();
    for (const item of items) {
      if (!item.headers) continue;
      const key = keyOf(item.headers);
      if (stored.has(key)) duplicates.add(item);
      if (item.reason !== '') continue;
      stored.add(key);
      this.raise(item.headers);
    }
    return duplicates;
  }

  /** The next block is behind this message. Of a run that is not kept nothing can be said. */
  private raise(of: Sequence): void {
    const run = runOf(of);
    const highest = this.highest.get(run);
    if (highest === undefined) return;
    this.highest.delete(run);
    this.highest.set(run, Math.max(highest, of.seq));
  }

  /** Asks for the first runs that are not kept. Of one that nothing is found of all numbers are below its least one here. */
  private async learn(store: BlockStore, sequences: readonly Sequence[], from: bigint): Promise<void> {
    const least = new Map<string, Sequence>();
    for (const of of sequences) {
      const run = runOf(of);
      if (this.highest.has(run)) continue;
      const before = least.get(run);
      if (before ? of.seq < before.seq : least.size < this.learntAtOnce) least.set(run, of);
    }
    if (least.size === 0) return;
    const runs = [...least.values()];
    const params: Record<string, string | number> = {};
    const conditions = runs.map(({ node, epoch, seq }, i) => {
      Object.assign(params, { [`n${i}`]: node, [`e${i}`]: epoch, [`s${i}`]: seq });
      return `(node = {n${i}:String} AND epoch = {e${i}:String} AND l.seq >= {s${i}:UInt64})`;
    });
    const sql = `SELECT node, epoch, max(l.seq) AS seq FROM delivery_log AS l WHERE (${conditions.join(' OR ')}) AND ${BELOW}
      GROUP BY node, epoch`;
    const rows = await this.ask(store, sql, params, from);
    for (const { node, epoch, seq } of runs) this.highest.set(runOf({ node, epoch }), seq - 1);
    for (const row of rows) this.highest.set(runOf(row), Number(row.seq));
    for (const run of this.highest.keys()) {
      if (this.highest.size <= this.kept) break;
      this.highest.delete(run);
    }
  }

  /** Keys of those that are stored. */
  private async stored(store: BlockStore, some: readonly Sequence[], from: bigint): Promise<Set<string>> {
    if (some.length === 0) return new Set();
    const sql = `SELECT node, epoch, seq FROM delivery_log
      WHERE node IN {nodes:Array(String)} AND epoch IN {epochs:Array(String)} AND seq IN {seqs:Array(UInt64)} AND ${BELOW}`;
    const params = {
      nodes: [...new Set(some.map(({ node }) => node))],
      epochs: [...new Set(some.map(({ epoch }) => epoch))],
      seqs: [...new Set(some.map(({ seq }) => seq))],
    };
    return new Set((await this.ask(store, sql, params, from)).map(keyOf));
  }

  private ask(store: BlockStore, sql: string, params: Record<string, unknown>, from: bigint): Promise<Row[]> {
    const { topicId, partition } = this.assignment;
    return store.query<Row>(sql, { ...params, topic: topicId, partition, from }, { connection: 'ingest' });
  }
}

/** What could be used at lower offsets of this partition. */
const BELOW =
  'topic_id = {topic:String} AND partition = {partition:UInt32} AND `offset` < {from:UInt64} AND undecodable = 0';
