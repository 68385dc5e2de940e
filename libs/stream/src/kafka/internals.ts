import type { Kafka } from 'kafkajs';
import { require } from './kafkajs.ts';

/**
 * kafkajs 2.2.4 keeps the generation, the fetch position and the low watermark to itself, and each of them matters here
 * (see group-member.ts, fetcher.ts). What is used of its inside is declared in this file and nowhere else; the version is pinned.
 */
export interface Broker {
  readonly nodeId: number;
  readonly connectionPool: {
    send<T>(request: { request: RawRequest; response: RawResponse<T> }): Promise<T>;
  };
  joinGroup(request: {
    groupId: string;
    sessionTimeout: number;
    rebalanceTimeout: number;
    memberId: string;
    groupProtocols: Array<{ name: string; metadata: Buffer }>;
  }): Promise<{
    generationId: number;
    leaderId: string;
    memberId: string;
    members: Array<{ memberId: string; memberMetadata: Buffer }>;
  }>;
  syncGroup(request: {
    groupId: string;
    generationId: number;
    memberId: string;
    groupAssignment: Array<{ memberId: string; memberAssignment: Buffer }>;
  }): Promise<{ memberAssignment: Buffer }>;
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<void>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<void>;
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: Array<{ topic: string; partitions: Array<{ partition: number; offset: string; metadata: string }> }>;
  }): Promise<void>;
  offsetFetch(request: {
    groupId: string;
    topics: Array<{ topic: string; partitions: Array<{ partition: number }> }>;
  }): Promise<{
    responses: Array<{
      topic: string;
      partitions: Array<{ partition: number; offset: string; metadata: string | null }>;
    }>;
  }>;
  fetch(request: {
    maxWaitTime: number;
    minBytes: number;
    maxBytes: number;
    isolationLevel: number;
    topics: Array<{
      topic: string;
      partitions: Array<{ partition: number; fetchOffset: string; maxBytes: number }>;
    }>;
  }): Promise<{
    responses: Array<{
      topicName: string;
      partitions: Array<{ partition: number; highWatermark: string; messages: unknown[] }>;
    }>;
  }>;
}

interface Encoder {
  writeBuffer(bytes: Buffer): Encoder;
}

export interface RawRequest {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  encode(): Promise<Encoder>;
}

export interface RawResponse<T> {
  decode(payload: Buffer): Promise<T>;
  parse(data: T): Promise<T>;
}

export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  removeBroker(broker: { host: string; port: number }): void;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findTopicPartitionMetadata(topic: string): Array<{ partitionId: number; leader: number }>;
  findBroker(options: { nodeId: number }): Promise<Broker>;
  findControllerBroker(): Promise<Broker>;
  findGroupCoordinator(options: { groupId: string }): Promise<Broker>;
  fetchTopicsOffset(
    topics: Array<{ topic: string; fromBeginning: boolean; partitions: Array<{ partition: number }> }>,
  ): Promise<Array<{ topic: string; partitions: Array<{ partition: number; offset: string }> }>>;
}

export interface FetchedMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, Buffer | Buffer[] | null>;
}

/** Drops messages before the offset, control records and aborted transactions. */
export interface FetchedBatch {
  readonly messages: FetchedMessage[];
  readonly rawMessages: unknown[];
  readonly highWatermark: string;
  lastOffset(): string;
}

export const Batch = require('kafkajs/src/consumer/batch.js') as new (
  topic: string,
  fetchedOffset: string,
  data: { partition: number; highWatermark: string; messages: unknown[] },
) => FetchedBatch;

const RequestEncoder = require('kafkajs/src/protocol/encoder.js') as new () => Encoder;

/** A request's body as kafkajs wants it. */
export const encoded = (body: Buffer): Encoder => new RequestEncoder().writeBuffer(body);

interface RequestQueue {
  pending: unknown[];
  throttledUntil: number;
  scheduleCheckPendingRequests(this: RequestQueue): void;
}
const queue = (require('kafkajs/src/network/requestQueue/index.js') as { prototype: RequestQueue }).prototype;
const schedule = queue.scheduleCheckPendingRequests;
/** kafkajs asks for a timer at a negative time whenever nothing is pending, and Node 24 warns of each; such a timer does nothing. */
queue.scheduleCheckPendingRequests = function () {
  if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
};

/** A cluster of its own (connections, metadata) from the public API: partition assigners are given it. */
export function openCluster(kafka: Kafka, groupId: string): Cluster {
  let cluster: unknown;
  kafka.consumer({
    groupId,
    allowAutoTopicCreation: false,
    metadataMaxAge: 30_000,
    partitionAssigners: [
      (config) => {
        cluster = config.cluster;
        return {
          name: 'none',
          version: 0,
          assign: async () => [],
          protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
        };
      },
    ],
  });
  return cluster as Cluster;
}

/** The protocol's name of an error, such as ILLEGAL_GENERATION; kafkajs nests it. */
export function errorType(error: unknown): string {
  for (let e = error as { type?: string; cause?: unknown } | undefined; e; e = e.cause as typeof e)
    if (typeof e.type === 'string') return e.type;
  return '';
}

/** After a failed request: forgets a connection that was closed, connects again when none is left, asks for the leaders. */
export async function recover(cluster: Cluster, error: unknown): Promise<void> {
  const { name, host, port } = error as { name?: string; host?: string; port?: number };
  if (name === 'KafkaJSConnectionClosedError' && host && port) cluster.removeBroker({ host, port });
  if (!cluster.isConnected()) await cluster.connect();
  await cluster.refreshMetadata();
}
