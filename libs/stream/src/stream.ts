/**
 * A partitioned, replayable log. Two adapters: Kafka (kafkajs) and the embedded log (SQLite).
 * One conformance suite runs against both; nothing above this file knows which one it has.
 */
export interface StreamMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Broker time (log append), Unix milliseconds. */
  readonly timestamp: number;
}

export interface OutgoingMessage {
  readonly key: string | Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Idempotent, acks = all. Messages of one key keep their order. */
export interface StreamProducer {
  /** Resolves when the log has the messages; rejects with StreamUnavailableError when it does not. */
  send(topic: string, messages: readonly OutgoingMessage[]): Promise<void>;
  close(): Promise<void>;
}

/** What the group last stored for a partition: the next offset to read, and what was stored beside it. */
export interface Committed {
  readonly offset: bigint;
  readonly metadata: string;
}

/**
 * One assignment of one partition to this consumer. After a rebalance it is stale: `signal` is aborted and
 * `commit` rejects with StaleAssignmentError, so a late handler cannot overwrite the new owner's commit.
 */
export interface PartitionAssignment {
  readonly topic: string;
  readonly partition: number;
  /** Identity of the topic itself: a topic deleted and created again has another. */
  readonly topicId: string;
  readonly committed: Committed | null;
  readonly signal: AbortSignal;
  /** Stores the next offset to read, with metadata (at most 4 kB), for the group. */
  commit(offset: bigint, metadata?: string): Promise<void>;
}

export interface StreamBatch {
  readonly assignment: PartitionAssignment;
  /** Ascending offsets, at least one message. */
  readonly messages: readonly StreamMessage[];
  /** Offset after the last message of the partition, when the batch was read. */
  readonly highWatermark: bigint;
  /** Keeps the membership alive during long work. */
  heartbeat(): Promise<void>;
}

/** One handler per assignment: all calls for one assignment come one after another. */
export interface PartitionHandler {
  /**
   * Messages from `assignment.committed.offset` (the start of the log when null) on. Resolving asks for more;
   * it does not commit. Rejecting makes the consumer wait (backoff) and hand over the same offsets again.
   */
  onBatch(batch: StreamBatch): Promise<void>;
  /** Nothing arrived for `idleMs`: the moment to flush what is held back. */
  onIdle?(): Promise<void>;
  /** The assignment ended (rebalance or shutdown); on shutdown it is still current and may commit. */
  onClose?(): Promise<void>;
}

export interface ConsumerOptions {
  readonly group: string;
  readonly topics: readonly string[];
  readonly maxBytesPerBatch?: number;
  readonly idleMs?: number;
  readonly open: (assignment: PartitionAssignment) => PartitionHandler;
  /** Offsets that retention removed before they were read: counted, never silent. */
  readonly onSkipped?: (topic: string, partition: number, from: bigint, to: bigint) => void;
  readonly onError?: (error: Error) => void;
}

export interface StreamConsumer {
  /** Resolves when joined. */
  start(): Promise<void>;
  /** Lets running handlers finish, closes them, leaves the group. */
  stop(): Promise<void>;
}

export interface TopicDefinition {
  readonly name: string;
  readonly partitions: number;
  readonly retentionMs: number;
  readonly compacted: boolean;
}

export interface Stream {
  ensureTopics(topics: readonly TopicDefinition[]): Promise<void>;
  producer(): Promise<StreamProducer>;
  consumer(options: ConsumerOptions): StreamConsumer;
  /** Per partition of a topic: first and next offset. */
  offsets(topic: string): Promise<ReadonlyArray<{ partition: number; low: bigint; high: bigint }>>;
  close(): Promise<void>;
}
