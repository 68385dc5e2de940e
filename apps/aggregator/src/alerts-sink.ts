import { RowBinaryBlock, TABLES } from '@perfleet/clickhouse';
import { alertChangeSchema, parseJson, type AlertChange } from '@perfleet/messages';
import type { StreamMessage } from '@perfleet/stream';
import type { Sink } from './block-handler.ts';
import { sendDead } from './dead-letters.ts';
import { each, type SinkParts } from './small-sinks.ts';

type Item = { readonly value: AlertChange | null; readonly message: StreamMessage; readonly reason: string };

/** Changes of the alert store, one row each: the last one of an item is what it is. */
export function alertsSink({ store, producer, deadTopic, stats }: SinkParts): Sink<Item> {
  return {
    accept: each<Item>((message) => {
      const parsed = parseJson(alertChangeSchema, message.value);
      if (!parsed.ok) return { item: { value: null, message, reason: parsed.error }, rows: 0 };
      return { item: { value: parsed.value, message, reason: '' }, rows: 1 };
    }),
    async write(block) {
      const dead = block.items.filter((item) => item.reason !== '');
      const rows = new RowBinaryBlock();
      for (const { value, message } of block.items) {
        if (!value) continue;
        rows.dateTime64(message.timestamp).u64(message.offset).str(value.item).str(value.id);
        rows
          .u8(value.removed ? 1 : 0)
          .str(value.body)
          .row();
      }
      await store.insert('alert_change_log', TABLES.alert_change_log, rows, block.token('alert_change_log'));
      await sendDead(producer, deadTopic, dead);
      stats.alerts += rows.rows;
      stats.dead += dead.length;
    },
  };
}
