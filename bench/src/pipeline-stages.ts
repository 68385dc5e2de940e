import { readProfiles } from '@perfleet/aggregator';
import { RowBinaryBlock } from '@perfleet/clickhouse';
import { ProfileMapper, SAMPLE_ROW_BYTES } from '@perfleet/mapping';
import { decodeProfiles } from '@perfleet/otlp';
import type { StreamMessage } from '@perfleet/stream';
import { cpuSeconds, measure } from './measure.ts';

/** As many messages are handed over together as the aggregator would, and a block has as many rows. */
const MESSAGES_AT_ONCE = 50;
const BLOCK_ROWS = 200_000;

/**
 * The aggregator's own functions, one after another, over the same messages. The TypeScript decoder, which the collector and
 * the API read with, is measured beside the one that the aggregator has.
 */
export async function measureStages(messages: readonly StreamMessage[]) {
  const mapper = new ProfileMapper('bench');
  const bodies = messages.map(({ value }) => value!);
  const typescript = await measure(() => {
    for (const body of bodies) decodeProfiles(body);
  });
  const decode = await measure(async () => {
    for (const some of groups(bodies, MESSAGES_AT_ONCE)) await mapper.decode(some);
  });
  const blocks: RowBinaryBlock[] = [];
  const cold = { map: 0, blocks: 0 };
  const warm = { map: 0, blocks: 0 };
  // The second time every series, stack and frame is written already, which is how an aggregator spends its days.
  for (const spent of [cold, warm]) {
    const messageMapper = mapper.open();
    let pending: ProfilesItem[] = [];
    const close = async () => {
      const seen = Math.floor(Date.now() / 1000);
      const before = cpuSeconds();
      const batches = [...new Set(pending.flatMap(({ batch }) => batch ?? []))];
      const { samples, series, stacks, frames } = await mapper.block({
        samples: pending.map(({ mapped }) => mapped!.samples),
        linked: pending.map(({ mapped }) => mapped!.linked),
        series: batches.map((batch) => batch.series),
        stacks: batches.map((batch) => batch.stacks),
        frames: batches.map((batch) => batch.frames),
        seen,
      });
      spent.blocks += cpuSeconds() - before;
      await mapper.written(series.ids, stacks.ids, frames.ids, seen);
      messageMapper.forget();
      if (spent === cold) blocks.push(RowBinaryBlock.of(samples.bytes, samples.rows));
      pending = [];
    };
    let rows = 0;
    for (const some of groups(messages, MESSAGES_AT_ONCE)) {
      const before = cpuSeconds();
      const items = await readProfiles(messageMapper, some);
      spent.map += cpuSeconds() - before;
      pending.push(...items);
      rows += items.reduce((sum, item) => sum + item.mapped!.samples.byteLength / SAMPLE_ROW_BYTES, 0);
      if (rows < BLOCK_ROWS) continue;
      await close();
      rows = 0;
    }
    await close();
  }
  return { typescriptCpu: typescript.cpu, decodeCpu: decode.cpu, cold, warm, blocks };
}

type ProfilesItem = Awaited<ReturnType<typeof readProfiles>>[number];

const groups = <T>(all: readonly T[], size: number) =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
