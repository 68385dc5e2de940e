import { join } from 'node:path';
import { startRedis, startRedisCluster, tempDir, type TestRedis, type TestRedisForm } from '@perfleet/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AlertItems } from './alert-recovery.ts';
import type { AlertHistoryEntry, AlertRecord, Silence } from './alert-store.ts';
import { openRedisNodeState } from './redis.ts';
import { openSqliteNodeState } from './sqlite.ts';
import type { NodeStateStore } from './store.ts';

const dir = tempDir();
let redis: TestRedis;
let cluster: TestRedisForm;
let files = 0;
beforeAll(async () => {
  [redis, cluster] = await Promise.all([startRedis(), startRedisCluster()]);
});
afterAll(async () => {
  await Promise.all([redis.stop(), cluster.stop()]);
  dir.remove();
});

const record = (id: string, firedAt: number): AlertRecord => ({
  ...{ id, kind: 'fallback', node: 'a', cluster: '', severity: 'warning', status: 'firing', reason: 'r' },
  ...{ since: 1, firedAt, resolvedAt: 0, told: { hook: { status: 'firing', at: 3 } } },
});
const ack = (alert: string, by: string) => ({ alert, occurrence: 2, at: 5, by, comment: '' });
const silence = (id: string, until: number): Silence => ({
  ...{ id, kind: '', node: 'a*', cluster: '', createdAt: 1, until, by: 'me', comment: '' },
});
const entry = (time: number): AlertHistoryEntry => ({
  ...{ time, alert: 'x', kind: 'fallback', node: 'a', cluster: '', what: 'firing', detail: '' },
});
const tomorrow = Date.now() + 86_400_000;
const items: AlertItems = {
  records: [record('x', 2)],
  acknowledgements: [ack('x', 'me'), ack('y', 'me')],
  silences: [silence('s', tomorrow)],
  history: [entry(3), entry(2), entry(1)],
};

describe.each<[string, () => NodeStateStore]>([
  ['SQLite', () => openSqliteNodeState({ path: join(dir.path, `${files++}.db`) })],
  ['Redis', () => openRedisNodeState({ url: redis.url, prefix: `recovery-${files++}` })],
  ['a Redis Cluster', () => openRedisNodeState({ url: cluster.url, prefix: `recovery-${files++}` })],
])('alerts in a new %s', (_, open) => {
  let store: NodeStateStore;
  beforeEach(() => {
    store = open();
    return () => store.close();
  });

  it('are not complete until they were restored, and then as they were', async () => {
    const { alerts } = store;
    expect(await alerts.snapshot(10)).toEqual({
      ...{ complete: false, records: [], acknowledgements: [], silences: [], history: [] },
    });
    expect(await alerts.restore(items)).toBe(true);
    const { acknowledgements, ...rest } = await alerts.snapshot(10);
    const { acknowledgements: _expected, ...others } = items;
    expect(rest).toEqual({ complete: true, ...others });
    expect([...acknowledgements].sort((a, b) => (a.alert < b.alert ? -1 : 1))).toEqual(items.acknowledgements);
    expect((await alerts.snapshot(2)).history).toEqual([entry(3), entry(2)]);
  });

  it('are restored once, and what was done meanwhile is newer', async () => {
    const { alerts } = store;
    await alerts.acknowledge(ack('y', 'you'));
    await alerts.putSilence(silence('t', tomorrow));
    await alerts.putSilence(silence('over', 5));
    await alerts.remember(entry(9));
    expect(await alerts.restore(items)).toBe(true);
    await alerts.unacknowledge('x');
    expect(await alerts.restore(items)).toBe(false);
    const now = await alerts.snapshot(10);
    expect(now.acknowledgements).toEqual([ack('y', 'you')]);
    expect(now.silences.map(({ id }) => id).sort()).toEqual(['s', 't']);
    expect(now.history).toEqual([entry(9), entry(3), entry(2), entry(1)]);
    await alerts.remember(entry(10));
    expect((await alerts.history(2)).map(({ time }) => time)).toEqual([10, 9]);
  });
});
