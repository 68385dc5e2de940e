import { Controller, Inject } from '@nestjs/common';
import { TOPICS } from '@perfleet/messages';
import type { PartitionAssignment, PartitionHandler } from '@perfleet/stream';
import { StreamHandler } from '@perfleet/stream/nest';
import type { alertsSink } from './alerts-sink.ts';
import { BlockHandler, type BlockLimits } from './block-handler.ts';
import type { profilesSink } from './profiles-sink.ts';
import type { eventsSink, symbolsSink } from './small-sinks.ts';

export const AGGREGATOR_GROUP = 'perfleet-aggregator';
export const SINKS = Symbol('Sinks');
export const LIMITS = Symbol('BlockLimits');

/** What becomes of each topic's messages. */
export interface Sinks {
  readonly profiles: ReturnType<typeof profilesSink>;
  readonly symbols: ReturnType<typeof symbolsSink>;
  readonly events: ReturnType<typeof eventsSink>;
  readonly alerts: ReturnType<typeof alertsSink>;
  /** Where the samples of a partition go. */
  readonly shardOf: (partition: number) => string;
  /** Messages of profiles behind the last batch of a partition; null when it is no longer read here. */
  readonly onLag: (partition: number, messages: number | null) => void;
}

const group = AGGREGATOR_GROUP;

/** One block handler for each assignment of a partition: its blocks, ranges and commits belong to that assignment alone. */
@Controller()
export class AggregatorController {
  constructor(
    @Inject(SINKS) private readonly sinks: Sinks,
    @Inject(LIMITS) private readonly limits: BlockLimits,
  ) {}

  @StreamHandler({ topic: TOPICS.profiles, group })
  profiles(assignment: PartitionAssignment): PartitionHandler {
    const shard = this.sinks.shardOf(assignment.partition);
    const onLag = (messages: number | null) => this.sinks.onLag(assignment.partition, messages);
    return new BlockHandler(assignment, this.sinks.profiles, this.limits, false, { onLag, shard });
  }

  @StreamHandler({ topic: TOPICS.symbols, group })
  symbols(assignment: PartitionAssignment): PartitionHandler {
    return new BlockHandler(assignment, this.sinks.symbols, this.limits, true);
  }

  @StreamHandler({ topic: TOPICS.events, group })
  events(assignment: PartitionAssignment): PartitionHandler {
    return new BlockHandler(assignment, this.sinks.events, this.limits, false);
  }

  @StreamHandler({ topic: TOPICS.alerts, group })
  alerts(assignment: PartitionAssignment): PartitionHandler {
    return new BlockHandler(assignment, this.sinks.alerts, this.limits, false);
  }
}
