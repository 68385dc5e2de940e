import { RowBinaryBlock } from '@perfleet/clickhouse';
import { SAMPLE_ROW_BYTES } from '@perfleet/mapping';
import { expect, it } from 'vitest';
import { parseBroker } from './pipeline-broker.ts';
import { inBlocks } from './pipeline-floor.ts';

it('knows its brokers, and says which there are', () => {
  expect(['kafka', 'embedded', undefined].map(parseBroker)).toEqual(['kafka', 'embedded', undefined]);
  expect(() => parseBroker('rabbit')).toThrow('--broker rabbit: expected kafka or embedded');
});

it('has the same rows in another number of blocks', () => {
  const bytes = Buffer.from(Array.from({ length: 10 * SAMPLE_ROW_BYTES }, (_, i) => i));
  const whole = [7, 3].map((rows, i) => {
    const from = i * 7 * SAMPLE_ROW_BYTES;
    return RowBinaryBlock.of(bytes.subarray(from, from + rows * SAMPLE_ROW_BYTES), rows);
  });
  const blocks = inBlocks(whole, 4);
  expect(blocks.map(({ rows }) => rows)).toEqual([3, 3, 3, 1]);
  expect(Buffer.concat(blocks.map((block) => block.bytes()))).toEqual(bytes);
});
