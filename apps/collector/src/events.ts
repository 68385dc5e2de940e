import { TOPICS, type NodeEvent, type NodeState } from '@perfleet/messages';
import type { SpoolRecord } from './spool.ts';

export interface EventSource {
  readonly node: string;
  readonly cluster: string;
  readonly epoch: string;
  readonly topicPrefix: string;
}

/** A node event as a record for the spool: it waits with the profiles when the stream is away. */
export function eventRecord(
  source: EventSource,
  kind: NodeEvent['kind'],
  message: string,
  state?: NodeState,
): SpoolRecord {
  const { node, cluster, epoch } = source;
  const event: NodeEvent = {
    time: Date.now(),
    node,
    cluster,
    epoch,
    kind,
    message: message.slice(0, 4000),
    ...(state && { state }),
  };
  return { topic: source.topicPrefix + TOPICS.events, epoch, body: Buffer.from(JSON.stringify(event)), samples: null };
}
