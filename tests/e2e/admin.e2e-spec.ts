import { statSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPerfleet, startPerfleet, urlIn, type Running } from '../support/perfleet.ts';

const today = new Date().toISOString().slice(0, 10);

describe('perfleet admin', () => {
  const dir = tempDir('perfleet-admin-e2e-');
  let clickhouse: Running;
  let url: string;
  const admin = (...args: string[]) => runPerfleet(['admin', ...args, '--clickhouse-url', url]);
  const write = async (sql: string) => {
    const response = await fetch(url, { method: 'POST', body: sql });
    expect(response.status, await response.text()).toBe(200);
  };

  beforeAll(async () => {
    clickhouse = await startPerfleet(['clickhouse', '--http-port', '0', '--data', dir.path]);
    url = urlIn(clickhouse.line);
    await write(`INSERT INTO stacks (* EXCEPT(seen)) VALUES (10, [])`);
    await write(
      `INSERT INTO series (* EXCEPT(workload)) VALUES (1, 'c', 'node-1', '', '', '', '', '', 'shop', 'p', 'cpu', 'nanoseconds', 1, map(), now())`,
    );
    await write(`INSERT INTO samples (* EXCEPT(workload)) VALUES ('${today} 00:00:01', 1, 10, 5)`);
  });
  afterAll(async () => {
    await clickhouse?.stop('SIGKILL');
    dir.remove();
  });

  it('says what there is, and with its exit code whether it is sound', async () => {
    const { code, out } = await admin('usage');
    expect(code).toBe(0);
    expect(out).toMatch(/^samples +1 .* 1 +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d$/m);
    expect(out).toMatch(/^shop +1 /m);
    expect(out).toMatch(/^node-1 +1 /m);
    expect((await admin('check')).code).toBe(0);
    await write(`INSERT INTO samples (* EXCEPT(workload)) VALUES ('${today} 00:00:02', 1, 99, 5)`);
    const wrong = await admin('check');
    expect(wrong.code).toBe(1);
    expect(wrong.out).toMatch(/^fail {2}samples without their stack: 1: .*; such as 99$/m);
  });

  it('asks the process that has the data open', async () => {
    const { code, out, err } = await runPerfleet(['admin', 'usage', '--data', dir.path]);
    expect([code, err]).toEqual([0, expect.stringContaining(`the store of the process that has ${dir.path} open`)]);
    expect(out).toMatch(/^shop +\d+ /m);
    expect(statSync(join(dir.path, 'clickhouse.sock')).mode & 0o777).toBe(0o600);
  });

  it('drops days, when it is told so', async () => {
    const asked = await admin('drop', '--from', today, '--until', today);
    expect([asked.code, asked.err]).toEqual([1, expect.stringContaining('Drop 2 rows')]);
    const { code, out } = await admin('drop', '--from', today, '--until', today, '--yes');
    expect([code, out]).toEqual([0, expect.stringMatching(/^dropped 2 rows .* of 1 days/)]);
    expect(await admin('check')).toMatchObject({ code: 0, out: expect.not.stringContaining('fail') });
  });

  it('opens the data itself when the process that had it was killed', async () => {
    await clickhouse.stop('SIGKILL');
    const { code, out, err } = await runPerfleet(['admin', 'usage', '--data', dir.path]);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^series +1 /m);
  });
});
