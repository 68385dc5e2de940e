import type { FlameGraphResponse, SqlResponse, TopResponse } from '@perfleet/api-contract';
import { waitFor } from '@perfleet/testing';
import { expect } from 'vitest';
import { SHARES, type Workloads } from './workloads.ts';

async function call<T>(server: string, path: string, query: Record<string, string>): Promise<T> {
  const response = await fetch(`${server}/api/v1/${path}?${new URLSearchParams(query)}`);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

export async function sql(server: string, query: string): Promise<SqlResponse> {
  const response = await fetch(`${server}/api/v1/sql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  if (!response.ok) throw new Error(`sql: ${response.status} ${await response.text()}`);
  return (await response.json()) as SqlResponse;
}

/** Of the two known functions, the share of the hot one in points: 70 is right, 5 either way is allowed. */
export function expectShare(hot: number, cold: number, of: string): void {
  expect(hot + cold, `${of}: nothing in the known functions`).toBeGreaterThan(0);
  const share = (100 * hot) / (hot + cold);
  expect(share, `${of}: share of the hot function`).toBeGreaterThan(65);
  expect(share, `${of}: share of the hot function`).toBeLessThan(75);
}

/** Total value of the outermost nodes whose function matches. */
function totalOf({ graph }: FlameGraphResponse, name: RegExp): number {
  let sum = 0;
  const covered = new Uint8Array(graph.parent.length);
  for (let i = 1; i < graph.parent.length; i++) {
    covered[i] = covered[graph.parent[i]!]!;
    if (!covered[i] && name.test(graph.strings[graph.name[i]!]!)) {
      covered[i] = 1;
      sum += graph.total[i]!;
    }
  }
  return sum;
}

/** Waits until both programs have `seconds` of CPU with names in the flame graph, then checks their shares everywhere. */
export async function checkShares(server: string, workloads: Workloads, seconds: number): Promise<void> {
  for (const program of ['native', 'node'] as const) {
    const query = { query: `cpu{process="${workloads[program]}"}`, from: 'now-1h', until: 'now' };
    const { hot, cold } = SHARES[program];
    let graph!: FlameGraphResponse;
    await waitFor(
      async () => {
        graph = await call<FlameGraphResponse>(server, 'flamegraph', query);
        return totalOf(graph, hot) + totalOf(graph, cold) > seconds * 1e9;
      },
      { timeoutMs: 120_000, what: `${seconds} s of ${program} with names in the flame graph` },
    );
    expectShare(totalOf(graph, hot), totalOf(graph, cold), `flame graph, ${program}`);
    // Of all the program's samples nearly all are below the two functions: names are not a lucky few.
    expect((totalOf(graph, hot) + totalOf(graph, cold)) / graph.total).toBeGreaterThan(0.9);

    const top = await call<TopResponse>(server, 'top', { ...query, limit: '1000' });
    const inTop = (name: RegExp) =>
      top.functions.filter((f) => name.test(f.function)).reduce((sum, f) => sum + f.total, 0);
    expectShare(inTop(hot), inTop(cold), `top, ${program}`);

    const rows = (
      await sql(
        server,
        `SELECT function, sum(total) AS value FROM functions WHERE process = '${workloads[program]}' GROUP BY function`,
      )
    ).rows;
    const inSql = (name: RegExp) =>
      rows.filter(([f]) => name.test(String(f))).reduce((sum, [, value]) => sum + Number(value), 0);
    expectShare(inSql(hot), inSql(cold), `SQL, ${program}`);
  }
}

/** taken = stored + lost, from the public view, for every epoch; returns the samples taken. */
export async function checkBalance(server: string): Promise<number> {
  const { columns, rows } = await sql(server, 'SELECT taken, stored, lost_total, balance, gaps FROM deliveries');
  expect(rows.length).toBeGreaterThan(0);
  const index = (name: string) => columns.findIndex((column) => column.name === name);
  let total = 0;
  for (const row of rows) {
    const [taken, stored, lost] = ['taken', 'stored', 'lost_total'].map((name) => Number(row[index(name)]));
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBe(stored! + lost!);
    expect(Number(row[index('balance')])).toBe(0);
    expect(Number(row[index('gaps')])).toBe(0);
    total += taken!;
  }
  return total;
}
