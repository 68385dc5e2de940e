import { join } from 'node:path';
import type { Alert, AlertHistoryResponse, AlertsResponse, FleetColumns } from '@perfleet/api-contract';
import { openStore, type Store } from '@perfleet/clickhouse';
import { openRedisNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import {
  requireTool,
  startRedisCluster,
  startRedisSentinel,
  startRedisTls,
  startWebhook,
  tempDir,
  waitFor,
  type TestRedisForm,
  type TestWebhook,
} from '@perfleet/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApi, type Api } from '../create-api.ts';
import { nodeState as stateOf } from './fixtures.ts';
import { DEFAULT_ALERT_SETTINGS } from './settings.ts';

const missing = ['redis-server', 'openssl'].map(requireTool).find((tool) => !tool.available);
const logger = createLogger('api', { level: 'silent' });
const patience = (what: string) => ({ timeoutMs: 20_000, what });
const FALLBACK = { mode: 'whole-system', fallback: true, modeReason: 'EACCES on /sys/fs/cgroup/kubepods' } as const;

/** Two replicas of the api, over each form of Redis: rules, delivery, what an operator does, and the state of nodes. */
describe.skipIf(missing)(`alerts over forms of Redis${missing ? ` (skipped: ${missing.reason})` : ''}`, () => {
  const dir = tempDir();
  let store: Store;
  let webhook: TestWebhook;
  let form: TestRedisForm | null = null;
  const running: Array<{ api: Api; nodeState: NodeStateStore; url: string }> = [];

  beforeAll(async () => {
    store = await openStore({ kind: 'embedded', path: join(dir.path, 'clickhouse') });
  });
  afterAll(async () => {
    await store.close();
    dir.remove();
  });
  beforeEach(async () => {
    webhook = await startWebhook();
  });
  afterEach(async () => {
    for (const { api, nodeState } of running.splice(0)) {
      await api.stop();
      await nodeState.close();
    }
    await form?.stop();
    form = null;
    await webhook.close();
  });

  async function start(url: string): Promise<void> {
    for (let replica = 0; replica < 2; replica++) {
      const nodeState = openRedisNodeState({ url, timeoutMs: 500 });
      const api = createApi({
        ...{ store, nodeState, logger, port: 0 },
        alerts: {
          ...DEFAULT_ALERT_SETTINGS,
          alertWebhooks: [webhook.url],
          alertFallbackMinutes: 0,
          alertRungMinutes: 0,
        },
        alertTiming: { tickMs: 30, leaseMs: 30_000, delivery: { timeoutMs: 500, backoffMs: { min: 20, max: 40 } } },
      });
      running.push({ api, nodeState, url: (await api.start()).url });
    }
  }
  async function call<T>(replica: number, path: string, method = 'GET', body?: unknown): Promise<T> {
    const json = body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const response = await fetch(`${running[replica]!.url}/api/v1/${path}`, { method, ...json });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
  /** As a collector reports: again until it is heard. */
  const report = (node: string, change: Parameters<typeof stateOf>[1] = {}) =>
    waitFor(
      async () => {
        const { nodeState } = running[0]!;
        await nodeState.heartbeat(node, 'e1', 600_000);
        await nodeState.put(stateOf(node, change));
        return true;
      },
      patience(`the report of ${node}`),
    );
  const told = () => webhook.messages.flatMap((m) => m.alerts.map((a) => `${a.labels['node']} ${a.status}`)).sort();
  const untilTold = (...wanted: string[]) =>
    waitFor(() => wanted.every((one) => told().includes(one)), patience(wanted.join(', ')));
  const alerts = async (replica: number) =>
    (await call<AlertsResponse>(replica, 'alerts')).alerts.map((a: Alert) => `${a.node} ${a.kind} ${a.state}`);

  /** @param between happens while alerts fire */
  async function wholeLife(url: string, between: () => Promise<void> = async () => undefined): Promise<void> {
    await start(url);
    await report('a', FALLBACK);
    await report('b', { rung: 3, rungReason: 'no BTF' });
    await untilTold('a firing', 'b firing');
    const [first] = (await call<AlertsResponse>(1, 'alerts')).alerts.filter(({ node }) => node === 'a');
    await call(1, `alerts/${first!.id}/acknowledge`, 'POST', { by: 'me', comment: 'on it' });
    await call(0, 'silences', 'POST', { node: 'c*', minutes: 5, by: 'me' });
    const noted = async () =>
      (await call<AlertHistoryResponse>(0, 'alerts/history')).history.filter((h) => h.what === 'delivered').length ===
      2;
    await waitFor(noted, patience('the note of what was told'));
    await between();
    await report('c', FALLBACK);
    await report('d', FALLBACK);
    await report('b');
    await untilTold('b resolved', 'd firing');
    for (const replica of [0, 1]) {
      expect(await alerts(replica)).toEqual([
        'a fallback firing',
        'b rung resolved',
        'c fallback firing',
        'd fallback firing',
      ]);
      const { node, fallback, alive } = await call<FleetColumns>(replica, 'fleet');
      expect({ node, fallback, alive }).toEqual({
        node: ['a', 'b', 'c', 'd'],
        fallback: [1, 0, 1, 1],
        alive: [1, 1, 1, 1],
      });
    }
    const after = (await call<AlertsResponse>(0, 'alerts')).alerts.find(({ node }) => node === 'a')!;
    expect(after).toMatchObject({ acknowledged: { by: 'me', comment: 'on it' }, firedAt: first!.firedAt });
    // Nobody was told twice, and of what is silenced nobody was told.
    expect(told()).toEqual(['a firing', 'b firing', 'b resolved', 'd firing']);
  }

  it('a cluster of three masters', async () => {
    form = await startRedisCluster();
    await wholeLife(form.url);
  });

  it('a sentinel, whose master is killed while alerts fire: they go on at the new one, and nobody is told twice', async () => {
    const sentinel = await startRedisSentinel();
    form = sentinel;
    await wholeLife(sentinel.url, async () => {
      await sentinel.inStep();
      await sentinel.master.stop();
      await sentinel.failedOver();
    });
  });

  it('TLS', async () => {
    form = await startRedisTls();
    await wholeLife(form.url);
  });
});
