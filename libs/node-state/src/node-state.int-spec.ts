import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeStateSchema, type NodeState } from '@perfleet/messages';
import { startRedis, startRedisCluster, type TestRedis, type TestRedisForm } from '@perfleet/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AlertHistoryEntry, AlertRecord, Silence } from './alert-store.ts';
import { NodeStateUnavailableError } from './errors.ts';
import { openRedisNodeState } from './redis.ts';
import { openSqliteNodeState } from './sqlite.ts';
import type { NodeStateStore } from './store.ts';

const dir = mkdtempSync(join(tmpdir(), 'perfleet-node-state-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function state(node: string, more: Partial<NodeState> = {}): NodeState {
  return nodeStateSchema.parse({
    ...{
      node,
      epoch: '00000000000000aa',
      startedAt: 1,
      updatedAt: 1000,
      mode: 'pods',
      fallback: false,
      modeReason: '',
    },
    ...{ rung: 1, rungReason: '', rateHz: 19, ...more },
  });
}

let redis: TestRedis;
let cluster: TestRedisForm;
let files = 0;
beforeAll(async () => {
  [redis, cluster] = await Promise.all([startRedis(), startRedisCluster()]);
});
afterAll(() => Promise.all([redis.stop(), cluster.stop()]));

describe.each<[string, () => NodeStateStore]>([
  ['SQLite', () => openSqliteNodeState({ path: join(dir, `sub/state-${files++}.db`) })],
  ['Redis', () => openRedisNodeState({ url: redis.url, prefix: `test-${files++}` })],
  ['a Redis Cluster', () => openRedisNodeState({ url: cluster.url, prefix: `test-${files++}` })],
])('node state in %s', (_, open) => {
  let store: NodeStateStore;
  beforeEach(() => {
    store = open();
    return () => store.close();
  });

  it('keeps the last state of every node, ordered by name', async () => {
    await store.put(state('b'));
    await store.put(state('a', { lost: { throttled: 3 } }));
    await store.put(state('b', { mode: 'whole-system', fallback: true, modeReason: 'no kubepods', updatedAt: 2000 }));
    const list = await store.list();
    expect(list.map((e) => e.state.node)).toEqual(['a', 'b']);
    expect(list[1]).toMatchObject({ alive: false, lastSeen: 2000, state: { mode: 'whole-system', fallback: true } });
    expect((await store.get('a'))!.state).toEqual(state('a', { lost: { throttled: 3 } }));
    expect(await store.get('c')).toBeNull();
  });

  it('turns a node that stops saying so into an entry that is not alive', async () => {
    await store.put(state('a'));
    const before = Date.now();
    await store.heartbeat('a', 'e1', 200);
    const entry = (await store.get('a'))!;
    expect(entry.alive).toBe(true);
    expect(entry.lastSeen).toBeGreaterThanOrEqual(before - 1);
    await vi.waitFor(async () => expect((await store.get('a'))!.alive).toBe(false), { timeout: 5000, interval: 20 });
    expect(await store.list()).toHaveLength(1);
    await store.heartbeat('a', 'e1', 60_000);
    expect((await store.list())[0]!.alive).toBe(true);
  });

  it('forgets a node that leaves, heartbeat included', async () => {
    await store.put(state('a'));
    await store.heartbeat('a', 'e1', 60_000);
    await store.deregister('a');
    expect(await store.list()).toEqual([]);
    await store.put(state('a'));
    expect((await store.get('a'))!.alive).toBe(false);
  });

  it('tells two collectors that claim to be one node apart', async () => {
    await store.put(state('a'));
    await store.put(state('b'));
    await store.heartbeat('a', 'e1', 60_000);
    await store.heartbeat('a', 'e2', 60_000);
    await store.heartbeat('b', 'e3', 60_000);
    await store.heartbeat('a', 'e0', 1);
    await vi.waitFor(async () => expect((await store.get('a'))!.liveEpochs).toHaveLength(2), { timeout: 5000 });
    expect([...(await store.list())[0]!.liveEpochs].sort()).toEqual(['e1', 'e2']);
    expect((await store.get('b'))!.liveEpochs).toEqual(['e3']);
  });

  it('is blank until it was restored, and what reported meanwhile knows better', async () => {
    expect(await store.isBlank()).toBe(true);
    await store.put(state('a', { rung: 2, updatedAt: 9000 }));
    await store.restore([
      { state: state('a'), lastSeen: 1 },
      { state: state('b'), lastSeen: 77 },
    ]);
    expect(await store.isBlank()).toBe(false);
    expect((await store.list()).map((e) => [e.state.node, e.state.rung, e.lastSeen, e.alive])).toEqual([
      ['a', 2, 9000, false],
      ['b', 1, 77, false],
    ]);
  });

  it('rejects after it was closed', async () => {
    await store.close();
    await expect(store.list()).rejects.toBeInstanceOf(NodeStateUnavailableError);
  });
});

const record = (id: string, more: Partial<AlertRecord> = {}): AlertRecord => ({
  ...{ id, kind: 'fallback', node: 'a', cluster: '', severity: 'warning', status: 'pending', reason: 'r' },
  ...{ since: 1, firedAt: 0, resolvedAt: 0, told: {}, ...more },
});
const entry = (time: number): AlertHistoryEntry => ({
  ...{ time, alert: 'x', kind: 'fallback', node: 'a', cluster: '', what: 'firing', detail: '' },
});

describe.each<[string, () => NodeStateStore]>([
  ['SQLite', () => openSqliteNodeState({ path: join(dir, `alerts-${files++}.db`) })],
  ['Redis', () => openRedisNodeState({ url: redis.url, prefix: `alerts-${files++}` })],
  ['a Redis Cluster', () => openRedisNodeState({ url: cluster.url, prefix: `alerts-${files++}` })],
])('alerts in %s', (_, open) => {
  let store: NodeStateStore;
  beforeEach(() => {
    store = open();
    return () => store.close();
  });

  it('has one leader, whose writes count only while it leads', async () => {
    const { alerts } = store;
    const changes = { put: [record('x')], remove: [], history: [entry(1)] };
    expect(await alerts.commit('one', changes)).toBe(false);
    expect(await alerts.lead('one', 60_000)).toBe(true);
    expect(await alerts.lead('two', 60_000)).toBe(false);
    expect(await alerts.lead('one', 300)).toBe(true);
    expect(await alerts.commit('two', changes)).toBe(false);
    expect(await alerts.commit('one', changes)).toBe(true);
    await vi.waitFor(async () => expect(await alerts.lead('two', 60_000)).toBe(true), { timeout: 5000, interval: 20 });
    expect(await alerts.commit('one', { put: [record('x', { status: 'firing' })], remove: [], history: [] })).toBe(
      false,
    );
    expect(await alerts.records()).toEqual([record('x')]);
    await alerts.resign('one');
    expect(await alerts.lead('one', 60_000)).toBe(false);
    await alerts.resign('two');
    expect(await alerts.lead('one', 60_000)).toBe(true);
  });

  it('puts, replaces and removes with the acknowledgement, and keeps the history newest first', async () => {
    const { alerts } = store;
    await alerts.lead('one', 60_000);
    await alerts.commit('one', { put: [record('x'), record('y')], remove: [], history: [entry(1), entry(2)] });
    await alerts.acknowledge({ alert: 'x', occurrence: 1, at: 5, by: 'me', comment: 'c' });
    await alerts.acknowledge({ alert: 'y', occurrence: 1, at: 5, by: 'me', comment: 'c' });
    const told = { w: { status: 'firing' as const, at: 3 } };
    await alerts.commit('one', { put: [record('y', { told, status: 'firing' })], remove: ['x'], history: [entry(3)] });
    expect(await alerts.records()).toEqual([record('y', { told, status: 'firing' })]);
    expect((await alerts.acknowledgements()).map((a) => a.alert)).toEqual(['y']);
    await alerts.unacknowledge('y');
    expect(await alerts.acknowledgements()).toEqual([]);
    await alerts.remember(entry(4));
    expect((await alerts.history(3)).map((e) => e.time)).toEqual([4, 3, 2]);
  });

  it('forgets silences that have ended', async () => {
    const silence = (id: string, until: number): Silence => ({
      ...{ id, kind: '', node: 'a*', cluster: '', createdAt: 1, until, by: '', comment: '' },
    });
    const later = Date.now() + 60_000;
    await store.alerts.putSilence(silence('1', 5));
    await store.alerts.putSilence(silence('2', later));
    await store.alerts.putSilence(silence('3', later));
    await store.alerts.removeSilence('3');
    expect(await store.alerts.silences()).toEqual([silence('2', later)]);
  });
});

describe('node state in SQLite', () => {
  it('is kept over a restart and shared by two openers', async () => {
    const path = join(dir, 'shared.db');
    const [one, two] = [openSqliteNodeState({ path }), openSqliteNodeState({ path })];
    await one.put(state('a'));
    expect(await two.list()).toHaveLength(1);
    await one.close();
    await two.close();
    const three = openSqliteNodeState({ path });
    expect((await three.get('a'))!.state.node).toBe('a');
    await three.close();
  });

  it('says that the file cannot be opened', () => {
    const file = join(dir, 'a-file');
    writeFileSync(file, '');
    expect(() => openSqliteNodeState({ path: join(file, 'state.db') })).toThrow(NodeStateUnavailableError);
  });
});

describe('node state in Redis', () => {
  it('leaves entries out that something else wrote', async () => {
    const store = openRedisNodeState({ url: redis.url, prefix: 'hostile' });
    await store.put(state('a'));
    const { Redis } = await import('ioredis');
    const other = new Redis(redis.url);
    await other.hset('hostile:nodes', 'evil', '{"node":', 'worse', '{"node":"x","rung":99}');
    other.disconnect();
    expect((await store.list()).map((e) => e.state.node)).toEqual(['a']);
    await store.close();
  });
});
