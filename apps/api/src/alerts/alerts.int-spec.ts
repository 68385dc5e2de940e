import { join } from 'node:path';
import type { Alert, AlertHistoryResponse, AlertsResponse, SilenceSummary } from '@perfleet/api-contract';
import { openStore, type Store } from '@perfleet/clickhouse';
import { openRedisNodeState, openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
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
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApi, type Api } from '../create-api.ts';
import { nodeState as stateOf } from './fixtures.ts';
import { DEFAULT_ALERT_SETTINGS, type AlertSettings } from './settings.ts';

const tool = requireTool('redis-server');
const dir = tempDir();
const logger = createLogger('api', { level: 'silent' });
const patience = (what: string) => ({ timeoutMs: 20_000, what });
let store: Store;
let redis: TestRedis | null = null;
let round = 0;

beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: join(dir.path, 'clickhouse') });
  if (tool.available) redis = await startRedis();
});
afterAll(async () => {
  await redis?.stop();
  await store?.close();
  dir.remove();
});

const stores: Array<[string, boolean, (name: string) => NodeStateStore]> = [
  ['SQLite', true, (name) => openSqliteNodeState({ path: join(dir.path, `${name}.db`) })],
  ['Redis', tool.available, (name) => openRedisNodeState({ url: redis!.url, prefix: name })],
];

describe.each(stores)('alerts of the api over %s', (name, available, open) => {
  describe.skipIf(!available)(available ? '' : `(skipped: ${tool.reason})`, () => {
    let webhook: TestWebhook;
    let shared: string;
    const running: Array<{ api: Api; nodeState: NodeStateStore; url: string }> = [];
    const nodes = () => running[0]!.nodeState;

    beforeEach(async () => {
      webhook = await startWebhook();
      shared = `${name}-${++round}`;
      await store.command('TRUNCATE TABLE node_event_log');
    });
    afterEach(async () => {
      for (const { api, nodeState } of running.splice(0)) {
        await api.stop();
        await nodeState.close();
      }
      await webhook.close();
    });

    async function start(settings: Partial<AlertSettings> = {}) {
      const nodeState = open(shared);
      const api = createApi({
        ...{ store, nodeState, logger, port: 0 },
        alerts: { ...DEFAULT_ALERT_SETTINGS, alertWebhooks: [webhook.url], alertFallbackMinutes: 0, ...settings },
        alertTiming: { tickMs: 30, leaseMs: 30_000, delivery: { timeoutMs: 500, backoffMs: { min: 20, max: 40 } } },
      });
      const { url } = await api.start();
      running.push({ api, nodeState, url });
      return running.at(-1)!;
    }
    async function call<T>(path: string, method = 'GET', body?: unknown, replica = 0): Promise<T> {
      const response = await fetch(`${running[replica]!.url}/api/v1/${path}`, {
        method,
        ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${response.status} ${text}`);
      return JSON.parse(text) as T;
    }
    const list = async (replica = 0) => (await call<AlertsResponse>('alerts', 'GET', undefined, replica)).alerts;
    const fallback = { mode: 'whole-system', fallback: true, modeReason: 'EACCES on /sys/fs/cgroup/kubepods' } as const;
    const alive = async (node: string, change: Parameters<typeof stateOf>[1] = {}) => {
      // In this order the api never sees the node without its heartbeat, which is an alert of its own.
      await nodes().heartbeat(node, 'e1', 600_000);
      await nodes().put(stateOf(node, change));
    };
    const told = () => webhook.messages.flatMap((m) => m.alerts.map((a) => `${a.labels['node']} ${a.status}`));

    it('tells the receiver once that a node fell back and once that it is well, whichever replica leads', async () => {
      await start();
      await start();
      await alive('a', fallback);
      await waitFor(() => told().length > 0, patience('the first notification'));
      expect(webhook.messages[0]).toMatchObject({ version: '4', status: 'firing' });
      expect(webhook.messages[0]!.alerts[0]).toMatchObject({
        labels: { alertname: 'PerfleetNodeInFallback', node: 'a', severity: 'warning' },
        annotations: { description: 'mode whole-system: EACCES on /sys/fs/cgroup/kubepods' },
      });
      for (const replica of [0, 1])
        expect(await list(replica)).toMatchObject([
          { kind: 'fallback', node: 'a', state: 'firing', acknowledged: null },
        ]);
      // A leader that goes between telling and noting it leaves the next one to tell again.
      const noted = async () =>
        (await call<AlertHistoryResponse>('alerts/history')).history.some((h) => h.what === 'delivered');
      await waitFor(noted, patience('the note of what was told'));
      // The leader goes: the other one takes over, and knows what was told.
      const { api, nodeState } = running.shift()!;
      await api.stop();
      await nodeState.close();
      await alive('a');
      await alive('b', fallback);
      await waitFor(() => told().includes('a resolved') && told().includes('b firing'), patience('the next two'));
      expect(told().sort()).toEqual(['a firing', 'a resolved', 'b firing']);
      const { history } = await call<AlertHistoryResponse>('alerts/history');
      expect(history.filter((h) => h.node === 'a' && h.what !== 'delivered').map((h) => h.what)).toEqual([
        'resolved',
        'firing',
      ]);
      expect((await list()).map((a) => [a.node, a.state])).toEqual([
        ['a', 'resolved'],
        ['b', 'firing'],
      ]);
    });

    it('waits before it fires', async () => {
      await start({ alertFallbackMinutes: 600_000 });
      await alive('a', { ...fallback, startedAt: Date.now() });
      await alive('b', { rung: 3, rungReason: 'no BTF' });
      await waitFor(() => told().includes('b firing'), patience('the other alert'));
      expect((await list()).map((a) => [a.node, a.kind, a.state])).toEqual([
        ['a', 'fallback', 'pending'],
        ['b', 'rung', 'firing'],
      ]);
      expect(told()).toEqual(['b firing']);
    });

    it.each([500, 404, null])('tries again when the receiver answers %s, and loses nothing', async (status) => {
      webhook.answer(status);
      await start();
      await alive('a', fallback);
      await waitFor(() => webhook.attempts > 1, patience('a second attempt'));
      const metrics = await (await fetch(`${running[0]!.url}/metrics`)).text();
      expect(metrics).toMatch(
        /perfleet_alert_notifications_total\{receiver="webhook-[0-9a-f]{8}",result="failed"\} [1-9]/,
      );
      webhook.answer(200);
      await waitFor(() => told().length > 0, patience('the delivery'));
      expect(told()).toEqual(['a firing']);
    });

    it('keeps silenced alerts to itself, and tells them when the silence is lifted', async () => {
      await start();
      const silence = await call<SilenceSummary>('silences', 'POST', {
        node: 'pool-*',
        minutes: 5,
        by: 'me',
        comment: 'upgrade',
      });
      await alive('pool-1', fallback);
      await alive('z', fallback);
      await waitFor(() => told().includes('z firing'), patience('the alert that is not silenced'));
      expect(told()).toEqual(['z firing']);
      expect((await list())[0]).toMatchObject({
        node: 'pool-1',
        silenced: { id: silence.id, by: 'me', comment: 'upgrade' },
      });
      await call(`silences/${silence.id}`, 'DELETE');
      await waitFor(() => told().includes('pool-1 firing'), patience('the alert after the silence'));
      expect((await call<{ silences: unknown[] }>('silences')).silences).toEqual([]);
    });

    it('repeats until somebody acknowledges, from any replica', async () => {
      await start({ alertRepeatMinutes: 0.001 });
      await start({ alertRepeatMinutes: 0.001 });
      await alive('a', fallback);
      await waitFor(() => told().length > 2, patience('repeats'));
      const { id } = (await list())[0]!;
      const acked = await call<Alert>(`alerts/${id}/acknowledge`, 'POST', { by: 'me', comment: 'on it' }, 1);
      expect(acked.acknowledged).toMatchObject({ by: 'me', comment: 'on it' });
      expect((await list())[0]!.acknowledged).toMatchObject({ by: 'me' });
      // A look that began before the acknowledgement may still tell once; after the next firing of another node none may.
      await alive('b', fallback);
      await waitFor(() => told().includes('b firing'), patience('the other alert'));
      const count = () => told().filter((t) => t === 'a firing').length;
      const before = count();
      const bees = () => told().filter((t) => t === 'b firing').length;
      const seen = bees();
      await waitFor(() => bees() > seen + 2, patience('repeats of the other alert'));
      expect(count()).toBe(before);
      await call(`alerts/${id}/acknowledge`, 'DELETE');
      await waitFor(() => count() > before, patience('repeats again'));
    });

    it('refuses what it cannot mean', async () => {
      await start();
      await expect(call('alerts/none/acknowledge', 'POST', {})).rejects.toThrow(/404/);
      await expect(call('silences', 'POST', { minutes: 1e9 })).rejects.toThrow(/400.*minutes/);
      await expect(call('silences', 'POST', { minutes: 5, pod: 'x' })).rejects.toThrow(/400/);
      await expect(call('silences/none', 'DELETE')).rejects.toThrow(/404/);
      const text = await fetch(`${running[0]!.url}/api/v1/silences`, { method: 'POST', body: '{"minutes": 5}' });
      expect(text.status).toBe(400);
    });

    it('takes crashes from the events of the node', async () => {
      await start();
      await alive('a');
      const rows = [1, 2, 3].map((n) => `(now64(3), 'a', 'sampler-crashed', 'signal SIGSEGV ${n}')`);
      await store.command(`INSERT INTO node_event_log (time, node, kind, message) VALUES ${rows.join(', ')}`);
      await waitFor(() => told().length > 0, patience('the crash loop'));
      expect(await list()).toMatchObject([{ kind: 'crash-loop', severity: 'critical', state: 'firing' }]);
    });

    it('tells two collectors of one name', async () => {
      await start({ alertEpochsMinutes: 0 });
      await alive('a');
      await nodes().heartbeat('a', 'e2', 600_000);
      await waitFor(() => told().includes('a firing'), patience('the alert'));
      expect((await list())[0]!.reason).toContain('e1, e2');
    });
  });
});

describe.skipIf(!tool.available)(`a Redis that lost everything${tool.reason && ` (skipped: ${tool.reason})`}`, () => {
  it('gets its nodes back from events: those that live by their heartbeat, the silent ones as silent', async () => {
    await store.command('TRUNCATE TABLE node_event_log');
    const event = (node: string, kind: string, hours: number) =>
      `(now64(3) - INTERVAL ${hours} HOUR, '${node}', '${kind}', '${JSON.stringify(stateOf(node, { updatedAt: 77 }))}')`;
    const events = [
      ...[event('lives', 'started', 3), event('silent', 'started', 2), event('silent', 'mode-changed', 1)],
      ...[event('left', 'started', 3), event('left', 'stopped', 1), event('old', 'started', 24 * 60)],
    ];
    await store.command(`INSERT INTO node_event_log (time, node, kind, state) VALUES ${events.join(', ')}`);
    const nodeState = openRedisNodeState({ url: redis!.url, prefix: 'lost' });
    const api = createApi({ store, nodeState, logger, port: 0, alertTiming: { tickMs: 30, leaseMs: 600 } });
    await api.start();
    const names = async () => (await nodeState.list()).map((e) => e.state.node);
    await waitFor(async () => (await names()).length === 2, patience('the registry'));
    const other = new Redis(redis!.url);
    await other.flushall();
    other.disconnect();
    // One heartbeat of the node that lives, as its collector sends it.
    await nodeState.put(stateOf('lives', { updatedAt: 99 }));
    await nodeState.heartbeat('lives', 'e1', 600_000);
    await waitFor(async () => (await names()).length === 2, patience('the registry again'));
    expect(await nodeState.list()).toMatchObject([
      { alive: true, state: { node: 'lives', updatedAt: 99 } },
      { alive: false, state: { node: 'silent', updatedAt: 77 } },
    ]);
    await api.stop();
    await nodeState.close();
  });
});

describe('shares of samples', () => {
  it('raise alerts about losses and unattributed samples, and agree with the coverage view', async () => {
    // Nodes of earlier tests would come back from their events.
    await store.command('TRUNCATE TABLE node_event_log');
    const nodeState = openSqliteNodeState({ path: join(dir.path, 'shares.db') });
    const minute = Math.floor(Date.now() / 60_000) * 60;
    const series = (id: number, columns: string) => `(${id}, 'lossy', 'cpu', 'nanoseconds', 10, ${columns})`;
    await store.command(
      `INSERT INTO series (series, node, type, unit, period, process, pod_uid, labels) VALUES ${[
        series(901, `'app', 'u', map()`),
        series(902, `'app', '', map('attribution', 'none')`),
      ].join(', ')}`,
    );
    await store.command(
      `INSERT INTO samples (* EXCEPT(workload)) VALUES (${minute - 120}, 901, 1, 5000), (${minute - 60}, 902, 1, 4000)`,
    );
    const message = (secondsAgo: number, seq: number, lost: number) =>
      `(toDateTime64(${minute - secondsAgo}, 3), 'lossy', 'aa', ${seq}, map('map-full', ${lost}, 'filtered', ${50 * seq}))`;
    // 1000 samples were lost before the window, and do not count in it.
    const messages = [message(1800, 1, 1000), message(120, 2, 1040), message(60, 3, 1100)];
    await store.command(`INSERT INTO delivery_log (time, node, epoch, seq, lost) VALUES ${messages.join(', ')}`);
    const alerts = { ...DEFAULT_ALERT_SETTINGS, alertLossPercent: 9, alertUnattributedPercent: 44 };
    const api = createApi({ store, nodeState, logger, port: 0, alerts: { ...alerts, alertShareMinutes: 10 } });
    const { url } = await api.start();
    await nodeState.put(stateOf('lossy', { lost: { 'map-full': 1100, filtered: 150 } }));
    await nodeState.heartbeat('lossy', 'aa', 600_000);
    const listed = (await (await fetch(`${url}/api/v1/alerts`)).json()) as AlertsResponse;
    expect(listed.alerts.map((a) => [a.kind, a.state, a.reason])).toEqual([
      ['loss', 'pending', '10 % of the samples of the last 10 min were lost: map-full'],
      [
        ...['unattributed', 'pending'],
        '44 % of the samples of the last 10 min belong to no pod, no container and not to the host',
      ],
    ]);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('perfleet_node_coverage_ratio{node="lossy",part="lost"} 0.1\n');
    expect(metrics).toContain('perfleet_node_coverage_ratio{node="lossy",part="pod"} 0.5\n');
    // Left out on purpose: told apart, in no share and no alert.
    expect(metrics).toContain('perfleet_node_samples_filtered_total{node="lossy"} 150\n');
    expect(metrics).not.toContain('reason="filtered"');
    const [view] = await store.query(
      `SELECT sum(pod) AS pod, sum(nothing) AS nothing, sum(lost) AS lost FROM coverage WHERE node = 'lossy' AND time > now() - INTERVAL 10 MINUTE`,
    );
    expect(view).toEqual({ pod: '500', nothing: '400', lost: '100' });
    await api.stop();
    await nodeState.close();
  });
});
