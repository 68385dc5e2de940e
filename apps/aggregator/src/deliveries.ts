import { RowBinaryBlock } from '@perfleet/clickhouse';
import { SAMPLE_ROW_BYTES } from '@perfleet/mapping';
import type { PartitionAssignment } from '@perfleet/stream';
import type { ProfilesItem } from './read-profiles.ts';

/** When the window began that a message tells of, Unix seconds: a message of a collector is of one. Without samples, when it came. */
function windowStart({ mapped, message }: ProfilesItem): number {
  const rows = mapped?.samples;
  if (!rows || rows.byteLength < SAMPLE_ROW_BYTES) return Math.floor(message.timestamp / 1000);
  return new DataView(rows.buffer, rows.byteOffset).getUint32(0, true);
}

/** Rows of `delivery_log`: one of each message whose headers can be read. */
export function encodeDeliveries(
  items: readonly ProfilesItem[],
  duplicates: ReadonlySet<ProfilesItem>,
  assignment: PartitionAssignment,
) {
  const block = new RowBinaryBlock();
  for (const item of items) {
    const { headers: h, message } = item;
    if (!h) continue;
    const duplicate = duplicates.has(item);
    block.dateTime64(message.timestamp).str(h.node).str(h.epoch).dateTime64(h.epochStart).u64(BigInt(h.seq));
    block.str(assignment.topicId).u32(message.partition).u64(message.offset).u64(BigInt(h.taken));
    block.u64(BigInt(duplicate ? 0 : Math.round(item.mapped?.stored ?? 0)));
    block.map(Object.entries(h.lost), (w, count) => w.u64(BigInt(count ?? 0)));
    block
      .i64(BigInt(Math.trunc(item.skewMs)))
      .u8(duplicate ? 1 : 0)
      .u8(item.reason === '' ? 0 : 1)
      .dateTime(windowStart(item))
      .row();
  }
  return block;
}
