import { join } from 'node:path';
import { createAggregator } from '@perfleet/aggregator';
import { createApi, type Api } from '@perfleet/api';
import type { Alert, AlertHistoryResponse, AlertsResponse, SilencesResponse } from '@perfleet/api-contract';
import { openStore, type Store } from '@perfleet/clickhouse';
import { alertFields } from '@perfleet/config';
import { nodeStateSchema } from '@perfleet/messages';
import { openRedisNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import {
  requireTool,
  startRedis,
  startWebhook,
  tempDir,
  waitFor,
  type TestRedis,
  type TestWebhook,
} from '@perfleet/testing';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';

const tool = requireTool('redis-server');
const logger = createLogger('test', { level: 'silent' });
const patience = (what: string) => ({ timeoutMs: 30_000, what });

/** What the alert engine of the api takes: everything an operator did must survive a Redis that lost everything. */
describe.skipIf(!tool.available)(`a Redis that lost everything${tool.reason && ` (skipped: ${tool.reason})`}`, () => {
  let dir: ReturnType<typeof tempDir>;
  let redis: TestRedis;
  let webhook: TestWebhook;
  let store: Store;
  let stream: Stream;
  let aggregator: ReturnType<typeof createAggregator>;
  let running: { api: Api; nodeState: NodeStateStore; url: string } | null = null;

  beforeEach(async () => {
    dir = tempDir();
    redis = await startRedis();
    webhook = await startWebhook();
    store = await openStore({ kind: 'embedded', path: join(dir.path, 'clickhouse') });
    stream = await openEmbeddedStream({ path: join(dir.path, 'stream.db') });
    aggregator = createAggregator({ stream, store, topicPrefix: '', logger, cluster: 'c', flushMs: 50 });
    await aggregator.start();
  });
  afterEach(async () => {
    await stop();
    await aggregator.stop();
    await stream.close();
    await store.close();
    await webhook.close();
    await redis.stop();
    dir.remove();
  });

  async function start(): Promise<void> {
    const nodeState = openRedisNodeState({ url: redis.url });
    const api = createApi({
      ...{ store, nodeState, logger, port: 0, alertLog: { stream, topicPrefix: '' } },
      alerts: { ...z.object(alertFields).parse({}), alertWebhooks: [webhook.url], alertFallbackMinutes: 0 },
      alertTiming: { tickMs: 50, leaseMs: 1000, delivery: { timeoutMs: 500, backoffMs: { min: 20, max: 40 } } },
    });
    running = { api, nodeState, url: (await api.start()).url };
  }
  async function stop(): Promise<void> {
    await running?.api.stop();
    await running?.nodeState.close();
    running = null;
  }
  async function lose(): Promise<void> {
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
  }
  async function call<T>(path: string, method = 'GET', body?: unknown): Promise<T> {
    const json = body !== undefined && {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    };
    const response = await fetch(`${running!.url}/api/v1/${path}`, { method, ...json });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
  const alert = async (node: string): Promise<Alert | undefined> =>
    (await call<AlertsResponse>('alerts')).alerts.find((a) => a.node === node && a.kind === 'fallback');
  const firing = () => webhook.messages.flatMap((m) => m.alerts).filter((a) => a.status === 'firing');
  const counted = async (where: string) =>
    Number((await store.query<{ n: string }>(`SELECT count() AS n FROM alert_history WHERE ${where}`))[0]!.n);

  it('gets alerts, acknowledgements, silences and their history back, and tells nobody twice', async () => {
    const nodes = ['a-1', 'b-1'].map((node) =>
      nodeStateSchema.parse({
        ...{ node, cluster: 'c', epoch: '00000000000000aa', startedAt: Date.now(), updatedAt: Date.now() },
        ...{ mode: 'whole-system', fallback: true, modeReason: 'EACCES', rung: 1, rungReason: '', rateHz: 19 },
      }),
    );
    for (const state of nodes)
      await store.command(
        `INSERT INTO node_event_log (time, node, kind, state) VALUES (now64(3), '${state.node}', 'started', '${JSON.stringify(state)}')`,
      );
    // The registry itself comes from events, here and after each loss.
    await start();
    const silent = await call<{ id: string }>('silences', 'POST', { node: 'z-*', minutes: 60, by: 'me' });
    await waitFor(() => firing().length === 2, patience('both alerts at the webhook'));
    const before = (await alert('a-1'))!;
    await call(`alerts/${before.id}/acknowledge`, 'POST', { by: 'me', comment: 'on it' });
    await call('silences', 'POST', { node: 'b-*', minutes: 60, by: 'me' });
    await call(`silences/${silent.id}`, 'DELETE');
    await waitFor(
      async () => (await counted("what = 'delivered'")) === 2 && (await counted("what LIKE '%silenced'")) === 3,
      patience('the history in the profile store'),
    );
    await waitFor(
      async () => (await store.query(`SELECT 1 FROM alert_change_log WHERE removed = 1`)).length > 0,
      patience('the lifted silence'),
    );

    const asBefore = async (what: string) => {
      const again = await waitFor(
        async () => {
          const found = await alert('a-1').catch(() => undefined);
          return found?.acknowledged ? found : null;
        },
        patience(`the acknowledgement ${what}`),
      );
      expect(again).toMatchObject({
        ...{ id: before.id, state: 'firing', firedAt: before.firedAt, since: before.since },
        acknowledged: { by: 'me', comment: 'on it' },
      });
      expect(await alert('b-1')).toMatchObject({ state: 'firing', silenced: { by: 'me' } });
      expect((await call<SilencesResponse>('silences')).silences.map(({ node }) => node)).toEqual(['b-*']);
      const { history } = await call<AlertHistoryResponse>('alerts/history');
      expect(history.map(({ what, node }) => `${what} ${node}`).sort()).toEqual(
        [
          ...['acknowledged a-1', 'delivered a-1', 'delivered b-1', 'firing a-1', 'firing b-1'],
          ...['silenced b-*', 'silenced z-*', 'unsilenced z-*'],
        ].sort(),
      );
    };
    await lose();
    await asBefore('while the api runs');
    // A new api has nothing but the profile store to go by.
    await stop();
    await lose();
    await start();
    await asBefore('by a new api');
    expect(firing()).toHaveLength(2);
  });
});
