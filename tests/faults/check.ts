import { ROLL_UPS } from '@perfleet/clickhouse/tables';
import { PERIOD } from '@perfleet/simulate';
import { select, selectNumber } from './clickhouse.ts';
import type { ExpectedEpoch, ExpectedWindow, Published } from './truth.ts';

const MOST_SHOWN = 5;

/** What differs between what must be in the store and what is; empty when nothing does. */
export class Differences {
  readonly lines: string[] = [];
  private readonly counts = new Map<string, number>();

  add(kind: string, text: string): void {
    const count = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, count);
    if (count <= MOST_SHOWN) this.lines.push(`${kind}: ${text}`);
  }

  /** Compares two maps from what is counted to how often it is. */
  compare(kind: string, expected: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>): void {
    for (const [key, value] of expected)
      if (found.get(key) !== value) this.add(kind, `${key}: ${value} expected, ${found.get(key) ?? 'nothing'} found`);
    for (const [key, value] of found)
      if (!expected.has(key)) this.add(kind, `${key}: ${value} found, nothing expected`);
  }

  summary(): string[] {
    return [...this.lines, ...[...this.counts].map(([kind, n]) => `${n} differences: ${kind}`)];
  }
}

/** Every row exactly once: by time, series and stack, its value and in how many rows it stands. @returns rows compared */
export async function checkRows(url: string, windows: readonly ExpectedWindow[], out: Differences): Promise<number> {
  const expected = new Map<string, string>();
  for (const { time, rows } of windows)
    for (const [pod, stack, samples] of rows) expected.set(`${time} ${pod} ${stack}`, `1 row, ${samples * PERIOD} ns`);
  const found = await select(
    url,
    `SELECT toUnixTimestamp(s.time), l.pod, s.stack, count(), sum(s.value) FROM samples AS s
     LEFT JOIN (SELECT series, pod FROM series FINAL) AS l ON s.series = l.series GROUP BY s.time, l.pod, s.stack`,
  );
  const rows = found.map(([time, pod, stack, count, value]): [string, string] => {
    return [`${time} ${pod} ${stack}`, `${count} row${count === '1' ? '' : 's'}, ${value} ns`];
  });
  out.compare('rows by time, series and stack', expected, new Map(rows));
  return expected.size;
}

/** Taken = stored + lost, and what was sent twice or never is told, for each node and epoch. */
export async function checkDeliveries(url: string, epochs: readonly ExpectedEpoch[], out: Differences): Promise<void> {
  const rows = await select(
    url,
    `SELECT node, epoch, messages, duplicates, gaps, taken, stored, lost['spool-dropped'],
       lost['spool-full'] + lost['unclean-exit'], balance, lost_total FROM deliveries`,
  );
  const text = (values: readonly unknown[]) => {
    const names = ['messages', 'duplicates', 'gaps', 'taken', 'stored', 'dropped', 'refused or untold'];
    return names.map((name, i) => `${name} ${values[i]}`).join(', ');
  };
  const expected = epochs.map(({ node, epoch, lost, ...e }): [string, string] => {
    const counts = [e.messages, e.duplicates, e.gaps, e.taken, e.stored, lost['spool-dropped'], lost['not spooled']];
    return [`${node} ${epoch}`, text(counts)];
  });
  const found = rows.map(([node, epoch, ...values]): [string, string] => [`${node} ${epoch}`, text(values)]);
  out.compare('deliveries', new Map(expected), new Map(found));
  for (const [node, epoch, , , , taken, stored, , , balance, lost] of rows)
    if (Number(balance) !== 0 || Number(taken) !== Number(stored) + Number(lost))
      out.add('balance', `${node} ${epoch}: taken ${taken}, stored ${stored}, lost ${lost}, balance ${balance}`);
}

/** Each message of the topic stands once in the log of deliveries, under its partition and offset. */
export async function checkLog(url: string, published: readonly Published[], out: Differences): Promise<void> {
  const key = (...parts: readonly unknown[]) => parts.join(' ');
  const expected = published.map(({ partition, offset, headers: h }): [string, string] => {
    return [key(partition, offset, h.node, h.epoch, h.seq), '1'];
  });
  const rows = await select(
    url,
    'SELECT partition, `offset`, node, epoch, seq, count() FROM delivery_log GROUP BY partition, `offset`, node, epoch, seq',
  );
  const found = rows.map((row): [string, string] => [key(...row.slice(0, 5)), String(row[5])]);
  out.compare('log of deliveries by partition and offset', new Map(expected), new Map(found));
}

/** Roll-ups hold the same sums as the rows, each block once: by bucket, workload and stack. */
export async function checkRollUps(url: string, out: Differences): Promise<void> {
  for (const { table, seconds } of ROLL_UPS) {
    const sums = (from: string, sign: string) =>
      `SELECT intDiv(toUnixTimestamp(time), ${seconds}) AS bucket, workload, stack, ${sign}toInt128(sum(value)) AS v FROM ${from} GROUP BY ALL`;
    const count = await selectNumber(
      url,
      `SELECT count() FROM (SELECT bucket FROM (${sums('samples', '')} UNION ALL ${sums(table, '-')})
       GROUP BY bucket, workload, stack HAVING sum(v) != 0)`,
    );
    if (count > 0) out.add(table, `${count} sums differ from those of the samples`);
  }
}

/** Nothing refers to what is not there. */
export async function checkReferences(url: string, out: Differences): Promise<void> {
  const missing = {
    'stacks of samples': 'SELECT uniqExact(stack) FROM samples WHERE stack NOT IN (SELECT stack FROM stacks)',
    'series of samples': 'SELECT uniqExact(series) FROM samples WHERE series NOT IN (SELECT series FROM series)',
    'workloads of samples':
      'SELECT uniqExact(workload) FROM samples WHERE workload NOT IN (SELECT workload FROM workloads)',
    'frames of stacks':
      'SELECT uniqExact(frame) FROM (SELECT arrayJoin(frames) AS frame FROM stacks) WHERE frame NOT IN (SELECT frame FROM frames)',
  };
  for (const [what, sql] of Object.entries(missing)) {
    const count = await selectNumber(url, sql);
    if (count > 0) out.add('missing', `${count} ${what}`);
  }
}

/** Native frames that no symbolizer has answered for, be it with "no such binary". */
export const UNANSWERED_FRAMES = `SELECT count() FROM (SELECT DISTINCT frame FROM frames WHERE binary_id != '')
  WHERE frame NOT IN (SELECT frame FROM symbols)`;
