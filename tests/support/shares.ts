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
    const named = () => totalOf(graph, hot) + totalOf(graph, cold);
    // Names come after their samples; in the end nearly all samples are below the two functions, not a lucky few.
    await waitFor(
      async () => {
        graph = await call<FlameGraphResponse>(server, 'flamegraph', query);
        if (named() > seconds * 1e9 && named() > 0.9 * graph.total) return true;
        throw new Error(`${Math.round(named() / 1e6)} of ${Math.round(graph.total / 1e6)} ms have the known names`);
      },
      { timeoutMs: 120_000, intervalMs: 250, what: `${seconds} s of ${program} with names in the flame graph` },
    );
    expectShare(totalOf(graph, hot), totalOf(graph, cold), `flame graph, ${program}`);

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

/** taken = stored + lost and no gap, for every epoch; returns the samples taken. */
export async function checkBalance(server: string): Promise<number> {
  const epochs = await deliveries(server);
  expect(epochs.length).toBeGreaterThan(0);
  for (const { taken, stored, lost_total, balance, gaps } of epochs) {
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBe(stored + lost_total);
    expect({ balance, gaps }).toEqual({ balance: 0, gaps: 0 });
  }
  return epochs.reduce((sum, { taken }) => sum + taken, 0);
}

export interface Delivery {
  readonly node: string;
  readonly epoch: string;
  readonly messages: number;
  readonly last_seq: number;
  readonly gaps: number;
  readonly taken: number;
  readonly stored: number;
  readonly lost_total: number;
  readonly balance: number;
}

/** What the public view says of every epoch. */
export async function deliveries(server: string): Promise<Delivery[]> {
  const numbers = ['messages', 'last_seq', 'gaps', 'taken', 'stored', 'lost_total', 'balance'];
  const { rows } = await sql(server, `SELECT node, epoch, ${numbers.join(', ')} FROM deliveries ORDER BY epoch`);
  return rows.map(
    ([node, epoch, ...values]) =>
      ({
        node,
        epoch,
        ...Object.fromEntries(numbers.map((name, i) => [name, Number(values[i])])),
      }) as unknown as Delivery,
  );
}

/** The one node is registered, alive, with the best rung of this machine, and Prometheus is told. */
export async function checkNode(server: string, rung: number): Promise<void> {
  const { nodes } = await waitFor(
    async () => {
      const answer = await call<{ nodes: Array<Record<string, unknown>> }>(server, 'nodes', {});
      // A registry that was lost is rebuilt from events; the node lives again with its next heartbeat.
      return answer.nodes.length === 1 && answer.nodes[0]!['alive'] === true && answer;
    },
    { timeoutMs: 30_000, what: 'one node that lives' },
  );
  expect(nodes[0]).toMatchObject({ rung, rateHz: 99 });
  const metrics = await (await fetch(`${server}/metrics`)).text();
  expect(metrics).toMatch(/perfleet_node_discovery_mode\{[^}]*mode="[a-z-]+"[^}]*\} 1/);
  expect(metrics).toMatch(/perfleet_node_fallback\{/);
}
