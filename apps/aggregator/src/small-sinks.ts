import { RowBinaryBlock, TABLES, type Store } from '@perfleet/clickhouse';
import { nativeFrameId } from '@perfleet/ids';
import {
  believableTime,
  nodeEventSchema,
  parseJson,
  symbolsSchema,
  type NodeEvent,
  type SymbolsMessage,
} from '@perfleet/messages';
import type { StreamMessage, StreamProducer } from '@perfleet/stream';
import type { Accepted, Sink } from './block-handler.ts';
import { sendDead } from './dead-letters.ts';
import type { AggregatorStats } from './stats.ts';

export interface SinkParts {
  readonly store: Store;
  readonly producer: StreamProducer;
  readonly deadTopic: string;
  readonly cluster: string;
  readonly stats: AggregatorStats;
}

type Item<T> = { readonly value: T | null; readonly message: StreamMessage; readonly reason: string };

/** A sink's `accept` that takes each message by itself. */
export const each =
  <T>(accept: (message: StreamMessage) => Accepted<T>) =>
  (messages: readonly StreamMessage[]) =>
    messages.map(accept);

/** Resolved frames: one row each, idempotent by frame id, the better quality wins. */
export function symbolsSink({ store, producer, deadTopic, stats }: SinkParts): Sink<Item<SymbolsMessage>> {
  return {
    accept: each<Item<SymbolsMessage>>((message) => {
      // A deleted key of a compacted topic says nothing about frames that are stored.
      if (message.value === null) return { item: { value: null, message, reason: '' }, rows: 0 };
      const parsed = parseJson(symbolsSchema, message.value);
      if (!parsed.ok) return { item: { value: null, message, reason: parsed.error }, rows: 0 };
      return { item: { value: parsed.value, message, reason: '' }, rows: parsed.value.frames.length };
    }),
    async write(block) {
      const dead = block.items.filter((item) => item.reason !== '');
      const rows = new RowBinaryBlock(1 << 16);
      for (const { value } of block.items) {
        for (const frame of value?.frames ?? []) {
          rows.u64(nativeFrameId(value!.kind, value!.binaryId, BigInt(`0x${frame.address}`))).u8(frame.quality);
          rows.array(frame.chain, (w, line) => w.str(line[0]));
          rows.array(frame.chain, (w, line) => w.str(line[1]));
          rows.array(frame.chain, (w, line) => w.u32(Math.min(0xffff_ffff, line[2])));
          rows.str(frame.reason ?? '').row();
        }
      }
      await store.insert('symbols', TABLES.symbols, rows, block.token('symbols'));
      await sendDead(producer, deadTopic, dead);
      stats.symbols += rows.rows;
      stats.dead += dead.length;
    },
  };
}

export function eventsSink({ store, producer, deadTopic, cluster, stats }: SinkParts): Sink<Item<NodeEvent>> {
  return {
    accept: each<Item<NodeEvent>>((message) => {
      const parsed = parseJson(nodeEventSchema, message.value);
      if (!parsed.ok) return { item: { value: null, message, reason: parsed.error }, rows: 0 };
      return { item: { value: parsed.value, message, reason: '' }, rows: 1 };
    }),
    async write(block) {
      const dead = block.items.filter((item) => item.reason !== '');
      const rows = new RowBinaryBlock();
      for (const { value, message } of block.items) {
        if (!value) continue;
        const time = believableTime(value.time, message.timestamp);
        if (time !== value.time) stats.clamped++;
        rows
          .dateTime64(time)
          .str(value.cluster || cluster)
          .str(value.node)
          .str(value.epoch)
          .str(value.kind);
        rows
          .str(value.message)
          .str(value.state ? JSON.stringify(value.state) : '')
          .row();
      }
      await store.insert('node_event_log', TABLES.node_event_log, rows, block.token('node_event_log'));
      await sendDead(producer, deadTopic, dead);
      stats.events += rows.rows;
      stats.dead += dead.length;
    },
  };
}
