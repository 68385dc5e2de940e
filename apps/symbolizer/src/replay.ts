import { parseJson, symbolsSchema } from '@perfleet/messages';
import { partitionOf, readTopic, type PartitionAssignment, type Stream, type StreamMessage } from '@perfleet/stream';
import { mergeByBinary, type Resolver } from './resolver.ts';

export interface ReplayTopics {
  readonly stream: Stream;
  readonly addresses: string;
  readonly symbols: string;
}

interface Waiting {
  readonly assignment: PartitionAssignment;
  readonly resolver: Resolver;
  readonly done: PromiseWithResolvers<void>;
}

const GROUP = 'perfleet-symbolizer-replay';
/** Addresses messages that are merged at a time. */
const MERGED = 500;

/**
 * Gives resolvers the state that their partitions had where they were before: the log holds it, so a restart or a new owner resolves
 * and publishes nothing again, and what waits for its binary goes on waiting. Partitions that come together are read together.
 */
export class Replay {
  private waiting: Waiting[] = [];
  private reading: Promise<void> = Promise.resolve();

  constructor(private readonly topics: ReplayTopics) {}

  /** Rejects when the log is away. */
  restore(assignment: PartitionAssignment, resolver: Resolver): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.waiting.push({ assignment, resolver, done });
    // One read at a time; whoever comes while it runs shares the next one.
    if (this.waiting.length === 1) this.reading = this.reading.then(() => this.read());
    return done.promise;
  }

  /** Nothing is being read any more. */
  settled(): Promise<void> {
    return this.reading;
  }

  private async read(): Promise<void> {
    // Assignments of one rebalance are opened one after another.
    await new Promise((resolve) => setImmediate(resolve));
    const all = this.waiting.splice(0);
    try {
      const partitions = (await this.topics.stream.offsets(this.topics.addresses)).length;
      const byPartition = new Map(all.map((one) => [one.assignment.partition, one]));
      await this.readPages((binaryId) => byPartition.get(partitionOf(Buffer.from(binaryId), partitions))?.resolver);
      await this.readWanted(byPartition);
      for (const { resolver, done } of all) {
        resolver.restored();
        done.resolve();
      }
    } catch (error) {
      for (const { done } of all) done.reject(error as Error);
    }
  }

  private async readPages(resolverOf: (binaryId: string) => Resolver | undefined): Promise<void> {
    const onMessage = ({ value }: StreamMessage) => {
      const parsed = parseJson(symbolsSchema, value);
      if (parsed.ok) resolverOf(parsed.value.binaryId)?.restorePage(parsed.value);
    };
    await readTopic(this.topics.stream, this.topics.symbols, { group: GROUP, onMessage });
  }

  /** Only what was answered already: the rest comes with the partition itself. */
  private async readWanted(byPartition: ReadonlyMap<number, Waiting>): Promise<void> {
    if (![...byPartition.values()].some(({ assignment }) => assignment.committed)) return;
    const batches = new Map<number, StreamMessage[]>();
    const merge = (partition: number) => {
      for (const wanted of mergeByBinary(batches.get(partition) ?? [], () => undefined))
        byPartition.get(partition)!.resolver.restoreWanted(wanted);
      batches.delete(partition);
    };
    const onMessage = (message: StreamMessage) => {
      const committed = byPartition.get(message.partition)?.assignment.committed;
      if (!committed || message.offset >= committed.offset) return;
      const batch = batches.get(message.partition) ?? [];
      batches.set(message.partition, batch);
      if (batch.push(message) >= MERGED) merge(message.partition);
    };
    await readTopic(this.topics.stream, this.topics.addresses, { group: GROUP, onMessage });
    for (const partition of [...batches.keys()]) merge(partition);
  }
}
