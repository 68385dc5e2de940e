import { RowBinaryBlock, TABLES, type Store } from '@perfleet/clickhouse';
import { SAMPLE_ROW_BYTES } from '@perfleet/mapping';
import { cpuSeconds } from './measure.ts';
import { untilMerged } from './query-store.ts';
import type { Service } from './service.ts';

export interface Floor {
  /** CPU seconds, of the engine and of this process, merges included: the samples alone, and with the roll-ups that follow each block. */
  readonly samples: number;
  readonly withRollUps: number;
}

/** The same rows as prepared blocks into tables that are made alike, and nothing else, until the engine merges nothing any more. */
export async function insertPrepared(store: Store, engine: Service, blocks: readonly RowBinaryBlock[]): Promise<Floor> {
  const cpu = () => cpuSeconds() + engine.cpu();
  const insert = async (table: string) => {
    const before = cpu();
    for (const [i, block] of blocks.entries()) await store.insert(table, TABLES.samples, block, `${table}-${i}`);
    await untilMerged(store);
    return cpu() - before;
  };
  const named = ['floor', 'floor_rolled', 'floor_10m', 'floor_1d', 'floor_10m_of', 'floor_1d_of'];
  // A series is a number in a dictionary, which the engine calls suspicious.
  const settings = { allow_suspicious_low_cardinality_types: 1 };
  for (const name of ['floor', 'floor_rolled']) await store.command(`CREATE TABLE ${name} AS samples`, { settings });
  for (const [tier, bucket] of [
    ['10m', 'toStartOfTenMinutes(s.time)'],
    ['1d', 'toStartOfDay(s.time)'],
  ]) {
    await store.command(`CREATE TABLE floor_${tier} AS samples_${tier}`);
    await store.command(`CREATE MATERIALIZED VIEW floor_${tier}_of TO floor_${tier} AS
      SELECT ${bucket} AS time, s.workload AS workload, s.stack AS stack, sum(s.value) AS value
      FROM floor_rolled AS s GROUP BY ${bucket}, s.workload, s.stack`);
  }
  const floor = { samples: await insert('floor'), withRollUps: await insert('floor_rolled') };
  for (const name of named.reverse()) await store.command(`DROP TABLE ${name} SYNC`);
  return floor;
}

/** The same rows in so many blocks, of one size but for the last. */
export function inBlocks(blocks: readonly RowBinaryBlock[], count: number): RowBinaryBlock[] {
  const bytes = Buffer.concat(blocks.map((block) => block.bytes()));
  const rows = bytes.length / SAMPLE_ROW_BYTES;
  const size = Math.ceil(rows / count);
  return Array.from({ length: Math.ceil(rows / size) }, (_, i) => {
    const some = bytes.subarray(i * size * SAMPLE_ROW_BYTES, (i + 1) * size * SAMPLE_ROW_BYTES);
    return RowBinaryBlock.of(some, some.length / SAMPLE_ROW_BYTES);
  });
}
