/** OTLP profiles into rows of the store. See README.md. */

/** One message of the profiles topic. The body must not change until the promise is settled. */
export interface ProfileMessage {
  readonly body: Uint8Array;
  /** Node of samples that do not name one. */
  readonly node: string;
  /** Broker time, Unix milliseconds: stands in where the producer gave no time. */
  readonly timestamp: number;
  /** Added to every sample's time, milliseconds. */
  readonly shiftMs: number;
}

/** Rows of RowBinary that begin with their 64-bit id; row `i` ends at `ends[i]`. */
export interface TableRows {
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
}

/** What messages became, in their order. */
export interface MappedMessages {
  /** Rows of `SAMPLE_ROW_BYTES`, for `block`: time u32, workload u64, series u64, stack u64, value f64, little endian. */
  readonly samples: Uint8Array;
  /** Message `i`'s samples end before row `ends[i]`. */
  readonly ends: Uint32Array;
  /**
   * Those of `samples` that have a link, once more: rows of `LINKED_ROW_BYTES`, for `block`: as `samples`, with trace id (16 bytes)
   * and span id (8 bytes) before the value.
   */
  readonly linked: Uint8Array;
  /** Message `i`'s end before row `linkedEnds[i]`. */
  readonly linkedEnds: Uint32Array;
  /** Samples in each, in the sense of the header `taken`. */
  readonly stored: Float64Array;
  /** Samples whose time could not be true and was moved to the nearest that could. */
  readonly clamped: Uint32Array;
  /** Why a message cannot be used; '' when it can. */
  readonly reasons: readonly string[];
  /** Of all messages together, but for those that were `written` or given before. Series lack their last column, `seen`. */
  readonly series: TableRows;
  readonly stacks: TableRows;
  readonly frames: TableRows;
}

export interface BlockParts {
  /** Rows of samples of the messages that count. */
  readonly samples: readonly Uint8Array[];
  /** Those with a link. */
  readonly linked: readonly Uint8Array[];
  readonly series: readonly TableRows[];
  readonly stacks: readonly TableRows[];
  readonly frames: readonly TableRows[];
  /** Unix seconds: the column `seen` of series; that of stacks and frames is the first day of the term it is in. */
  readonly seen: number;
}

/** What one insert takes. */
export interface BlockTable {
  /** RowBinary. */
  readonly bytes: Buffer;
  readonly rows: number;
  /** Ids of the rows, 8 bytes each, little endian; empty for samples, with a link or not. */
  readonly ids: Buffer;
}

export interface BlockTables {
  readonly samples: BlockTable;
  readonly linked: BlockTable;
  readonly series: BlockTable;
  readonly stacks: BlockTable;
  readonly frames: BlockTable;
}

/**
 * Maps messages whose rows are written in their order: what it gave once it does not give again until `forget`. Off the event
 * loop; one call at a time.
 */
export class MessageMapper {
  private constructor();
  /** Never rejects on what a message holds. */
  map(messages: readonly ProfileMessage[]): Promise<MappedMessages>;
  /** Everything that was given so far is in the store. */
  forget(): void;
}

/** Remembers, within bounds, what it was told is written. Works off the event loop; calls may overlap. */
export class ProfileMapper {
  /** @param cluster of samples that do not name one */
  constructor(cluster: string);
  /** For one sequence of messages, as the assignment of a partition is. */
  open(): MessageMapper;
  /** Only decodes, for measurements. @returns the number of samples; rejects on a message that cannot be used */
  decode(bodies: readonly Uint8Array[]): Promise<number>;
  /** What the messages of a block insert: samples of one key added up, other rows once and only when not `written`. */
  block(parts: BlockParts): Promise<BlockTables>;
  /** These rows are in the store: `ids` of the tables that `block` gave. A series is written again on another day, stacks and frames in another term of 30 days. */
  written(series: Uint8Array, stacks: Uint8Array, frames: Uint8Array, seen: number): Promise<void>;
}

/** XXH3 of 128 bits, seed 0 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), as 32 hexadecimal digits. At once. */
export function bodyHash(body: Uint8Array): string;
