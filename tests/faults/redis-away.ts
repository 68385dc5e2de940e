import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { NodesResponse, NodeSummary } from '@perfleet/api-contract';
import { startRedis, startWebhook, tempDir, waitFor } from '@perfleet/testing';
import { startPerfleet, urlIn } from '../support/perfleet.ts';
import { startDutyCycle } from '../support/duty-cycle.ts';

/** Between two heartbeats of a collector, and how long a call to the store may take: see `NodeReporter`, `openRedisNodeState`. */
const HEARTBEAT_MS = 10_000;
const CALL_MS = 1500;
const WINDOW_SECONDS = 5;

export interface RedisAwayReport {
  /** Empty when nothing but the registry noticed. */
  readonly differences: readonly string[];
  readonly taken: number;
  readonly stored: number;
  /** Between two windows in the store while Redis was away, the longest, seconds. */
  readonly longestGap: number;
  /** From the first PONG to the right state in the registry, milliseconds. */
  readonly rightAfterMs: number;
}

/**
 * One machine, profiled for real, whose Redis goes away for `seconds` and comes back empty. Meanwhile its sampler is killed once, so
 * that there is an event to lose and a state to be wrong about.
 */
export async function keepRedisAway(seconds: number, say: (line: string) => void): Promise<RedisAwayReport> {
  const dir = tempDir('perfleet-redis-away-');
  const load = startDutyCycle();
  const webhook = await startWebhook();
  let redis = await startRedis();
  const perfleet = await startPerfleet(['up', '--data', dir.path, '--http-port', '0', '--node', 'n1', '--rate', '49'], {
    ...{ PERFLEET_REDIS_URL: redis.url, PERFLEET_ALERT_WEBHOOKS: webhook.url, PERFLEET_KUBERNETES: 'no' },
    PERFLEET_WINDOW_SECONDS: String(WINDOW_SECONDS),
  });
  const server = urlIn(perfleet.line);
  const differences: string[] = [];
  const expectThat = (right: boolean, what: string) => void (right || differences.push(what));
  try {
    const before = await waitFor(() => registered(server), { timeoutMs: 60_000, what: 'the node in Redis' });
    await waitFor(async () => (await storedWindows(server)).length > 1, {
      timeoutMs: 60_000,
      intervalMs: 500,
      what: 'two windows',
    });
    await redis.stop();
    const goneAt = Date.now();
    say(`Redis is gone; it comes back in ${seconds} s`);
    await pause((seconds * 1000) / 2);
    process.kill(samplerOf(perfleet.child.pid!), 'SIGKILL');
    say('the sampler was killed');
    await pause(Math.max(0, goneAt + seconds * 1000 - Date.now()));
    expectThat((await sql(server, 'SELECT count() FROM profiles'))[0]![0] !== '0', 'queries work without Redis');
    redis = await startRedis({ port: redis.port });
    const backAt = Date.now();
    const after = await waitFor(
      async () => {
        const node = await registered(server);
        return node && node.restarts > before.restarts && node;
      },
      { timeoutMs: 60_000, what: 'the right state in Redis' },
    );
    const rightAfterMs = Date.now() - backAt;
    say(`Redis has the right state after ${rightAfterMs} ms`);
    expectThat(rightAfterMs <= HEARTBEAT_MS + CALL_MS, `the state was right after ${rightAfterMs} ms only`);
    expectThat(after.rung === before.rung, `rung ${before.rung} became ${after.rung}`);
    await waitFor(async () => (await storedWindows(server)).some((time) => time * 1000 > backAt), {
      ...{ timeoutMs: 60_000, intervalMs: 500, what: 'a window after the return' },
    });

    const [counts] = await sql(server, 'SELECT taken, stored, lost_total, balance, gaps FROM deliveries');
    const [taken, stored, lost, balance, gaps] = counts!.map(Number) as [number, number, number, number, number];
    expectThat(balance === 0 && gaps === 0, `balance ${balance}, ${gaps} gaps`);
    // The killed sampler takes the window with it that it was counting, and no more.
    const ownWindow = (taken * WINDOW_SECONDS) / seconds;
    expectThat(lost <= 2 * ownWindow, `${lost} of ${taken} samples were lost`);
    const during = (await storedWindows(server)).filter((time) => time * 1000 >= goneAt - WINDOW_SECONDS * 1000);
    const longestGap = Math.max(...during.slice(1).map((time, i) => time - during[i]!));
    expectThat(longestGap <= 3 * WINDOW_SECONDS, `${longestGap} s without a window`);
    const events = (await sql(server, 'SELECT kind FROM node_events ORDER BY time')).map(([kind]) => String(kind));
    expectThat(events.join() === 'started,sampler-crashed', `events: ${events.join()}`);
    const told = webhook.messages.flatMap(({ alerts }) => alerts.map(({ labels }) => labels['alertname']));
    expectThat(!told.some((name) => /silent/i.test(name ?? '')), `alerts: ${told.join()}`);
    for (const line of ['the node state store is away; profiling goes on', 'the node state store is back']) {
      const times = perfleet.log().split(line).length - 1;
      expectThat(times === 1, `the log says ${times} times: ${line}`);
    }
    return { differences, taken, stored, longestGap, rightAfterMs };
  } catch (error) {
    say(perfleet.log());
    throw error;
  } finally {
    await perfleet.stop();
    await redis.stop();
    await webhook.close();
    load.stop();
    dir.remove();
  }
}

async function registered(server: string): Promise<NodeSummary | undefined> {
  const { nodes } = await call<NodesResponse>(`${server}/api/v1/nodes`);
  return nodes.find(({ alive }) => alive);
}

/** Ends of the windows that have samples, Unix seconds, in order. */
async function storedWindows(server: string): Promise<number[]> {
  const rows = await sql(server, 'SELECT DISTINCT toUnixTimestamp(time) AS at FROM profiles ORDER BY at');
  return rows.map(([time]) => Number(time));
}

async function sql(server: string, query: string): Promise<unknown[][]> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ query });
  return (await call<{ rows: unknown[][] }>(`${server}/api/v1/sql`, { method: 'POST', headers, body })).rows;
}

async function call<T>(url: string, init: RequestInit = {}): Promise<T> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

function samplerOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/);
  const sampler = children.find((child) => readFileSync(`/proc/${child}/comm`, 'utf8').startsWith('perfleet-sample'));
  if (!sampler) throw new Error('no sampler runs');
  return Number(sampler);
}
