import type { Logger } from '@perfleet/observability';
import { expect, it } from 'vitest';
import { audited } from './audit.ts';

const lines: object[] = [];
const logger = { info: (line: object) => lines.push(line) } as unknown as Logger;
const answer = { rows: [[1], [2]] };
const told = ({ rows }: typeof answer) => ({ rows: rows.length });
const log = async (text: unknown, run: () => Promise<typeof answer>) => {
  lines.length = 0;
  await audited(logger, 'token 3fa94c01abcd (me)', text, run, told).catch(() => undefined);
  return lines;
};

it('says who asked what, and how much came', async () => {
  expect(await log('SELECT 1', async () => answer)).toEqual([
    { audit: 'sql', caller: 'token 3fa94c01abcd (me)', query: 'SELECT 1', rows: 2, ms: expect.any(Number) },
  ]);
});

it('says why a query was refused, and passes the refusal on', async () => {
  const run = () => Promise.reject(new Error('table system.one is not allowed'));
  expect(await log('SELECT', run)).toEqual([expect.objectContaining({ error: expect.stringMatching(/one/) })]);
  await expect(audited(logger, 'x', 'SELECT', run, told)).rejects.toThrow('not allowed');
});

it('bounds the line, whatever the body is', async () => {
  const [line] = await log('x'.repeat(100_000), async () => answer);
  expect(JSON.stringify(line).length).toBeLessThan(3000);
  expect(line).toMatchObject({ queryLength: 100_000 });
  for (const body of [undefined, null, 1, {}])
    expect(await log(body, async () => answer)).toEqual([expect.objectContaining({ query: '' })]);
});
