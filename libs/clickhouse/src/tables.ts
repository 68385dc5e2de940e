import type { Column } from './store.ts';

const columns = (text: string): Column[] =>
  text.split(';').map((part) => {
    const [name = '', ...type] = part.trim().split(' ');
    return { name, type: type.join(' ') };
  });

/** Columns of the tables in the order in which the encoders write them. */
export const TABLES = {
  samples: columns('time DateTime; workload UInt64; series UInt64; stack UInt64; value UInt64'),
  linked_samples: columns(
    'time DateTime; workload UInt64; series UInt64; stack UInt64; trace_id FixedString(16); span_id FixedString(8); value UInt64',
  ),
  series: columns(
    'series UInt64; workload UInt64; cluster String; node String; namespace String; pod String; pod_uid String; container String; container_id String; ' +
      'service String; process String; type String; unit String; period UInt64; labels Map(String, String); seen DateTime',
  ),
  stacks: columns('stack UInt64; frames Array(UInt64); seen Date'),
  frames: columns(
    'frame UInt64; kind String; binary_id String; address UInt64; function String; file String; line UInt32; mapping String; seen Date',
  ),
  symbols: columns(
    'frame UInt64; quality UInt8; functions Array(String); files Array(String); lines Array(UInt32); reason String',
  ),
  delivery_log: columns(
    'time DateTime64(3); node String; epoch String; epoch_start DateTime64(3); seq UInt64; topic_id String; partition UInt32; offset UInt64; ' +
      'taken UInt64; stored UInt64; lost Map(String, UInt64); skew_ms Int64; duplicate UInt8; undecodable UInt8; ' +
      'window_start DateTime',
  ),
  node_event_log: columns(
    'time DateTime64(3); cluster String; node String; epoch String; kind String; message String; state String',
  ),
  alert_change_log: columns('time DateTime64(3); offset UInt64; item String; id String; removed UInt8; body String'),
} as const satisfies Record<string, readonly Column[]>;
export type TableName = keyof typeof TABLES;

/** Sums of samples by workload and stack, finest first; `seconds` is what a row's time stands for. */
export const ROLL_UPS = [
  { table: 'samples_10m', seconds: 600 },
  { table: 'samples_1d', seconds: 86_400 },
] as const;

/** Days of a table's TTL, over system.tables: what `perfleet admin retention` set, or the migration that made it; '' where there is none. */
export const TTL_DAYS = String.raw`extract(create_table_query, 'TTL \\w+ \\+ toIntervalDay\\((\\d+)\\)')`;
