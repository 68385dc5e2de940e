import { EventPattern } from '@nestjs/microservices';
import type { PartitionAssignment, PartitionHandler } from '../stream.ts';

/** Names without the configured prefix, which the server knows. */
export interface StreamHandlerOptions {
  readonly topic: string;
  readonly group: string;
}

/** What the transport and the decorator agree on; other transports of the same application leave such methods alone. */
export const STREAM_TRANSPORT = Symbol('perfleet:stream');

/**
 * Marks a controller's method as the one that opens partitions of a topic for a group. It is called once per assignment, with the
 * `PartitionAssignment`, and gives the `PartitionHandler` (not a promise of it):
 *
 *     @StreamHandler({ topic: 'perfleet.events', group: 'alerts' })
 *     events(assignment: PartitionAssignment): PartitionHandler { … }
 */
export function StreamHandler({
  topic,
  group,
}: StreamHandlerOptions): (
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<(assignment: PartitionAssignment) => PartitionHandler>,
) => void {
  return EventPattern(`${group}/${topic}`, STREAM_TRANSPORT, { topic, group }) as MethodDecorator;
}
