import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeStateSchema, type NodeState } from '@perfleet/messages';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigConflictError, NodeStateUnavailableError } from './errors.ts';
import { openRedisNodeState } from './redis.ts';
import { openSqliteNodeState } from './sqlite.ts';
import type { NodeStateStore } from './store.ts';

const dir = mkdtempSync(join(tmpdir(), 'perfleet-node-state-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

async function startRedis(port?: number): Promise<Server & { port: number }> {
  const chosen = port ?? (await freePort());
  const args = ['--port', String(chosen), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child: ChildProcess = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout!.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await vi.waitFor(() => expect(output).toMatch(/Ready to accept connections/i), { timeout: 10_000, interval: 20 });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  return { url: `redis://127.0.0.1:${chosen}`, port: chosen, stop };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

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

let redis: Awaited<ReturnType<typeof startRedis>>;
let files = 0;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

describe.each<[string, () => NodeStateStore]>([
  ['SQLite', () => openSqliteNodeState({ path: join(dir, `sub/state-${files++}.db`) })],
  ['Redis', () => openRedisNodeState({ url: redis.url, prefix: `test-${files++}` })],
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
    await store.heartbeat('a', 200);
    const entry = (await store.get('a'))!;
    expect(entry.alive).toBe(true);
    expect(entry.lastSeen).toBeGreaterThanOrEqual(before - 1);
    await vi.waitFor(async () => expect((await store.get('a'))!.alive).toBe(false), { timeout: 5000, interval: 20 });
    expect(await store.list()).toHaveLength(1);
    await store.heartbeat('a', 60_000);
    expect((await store.list())[0]!.alive).toBe(true);
  });

  it('forgets a node that leaves, heartbeat included', async () => {
    await store.put(state('a'));
    await store.heartbeat('a', 60_000);
    await store.deregister('a');
    expect(await store.list()).toEqual([]);
    await store.put(state('a'));
    expect((await store.get('a'))!.alive).toBe(false);
  });

  it('versions the configuration, and only one of two writers of a version wins', async () => {
    expect(await store.getConfig()).toBeNull();
    expect(await store.setConfig({ rateHz: 49 }, 0)).toBe(1);
    const results = await Promise.allSettled([1, 2].map((n) => store.setConfig({ rateHz: n }, 1)));
    const lost = results.filter((r) => r.status === 'rejected');
    expect(lost).toHaveLength(1);
    expect(lost[0]!.reason).toBeInstanceOf(ConfigConflictError);
    expect(lost[0]!.reason).toMatchObject({ expectedVersion: 1, actualVersion: 2 });
    expect((await store.getConfig())!.version).toBe(2);
    expect(await store.setConfig({ rateHz: 5 })).toBe(3);
    expect(await store.getConfig()).toEqual({ version: 3, document: { rateHz: 5 } });
  });

  it('rejects after it was closed', async () => {
    await store.close();
    await expect(store.list()).rejects.toBeInstanceOf(NodeStateUnavailableError);
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
  it('rejects soon while the server is away, and works again when it is back', async () => {
    let server = await startRedis();
    const store = openRedisNodeState({ url: server.url, timeoutMs: 400 });
    await store.put(state('a'));
    await server.stop();
    for (let n = 0; n < 5; n++) {
      const begin = performance.now();
      await expect(store.put(state('a'))).rejects.toBeInstanceOf(NodeStateUnavailableError);
      expect(performance.now() - begin).toBeLessThan(1500);
    }
    server = await startRedis(server.port);
    await vi.waitFor(() => store.put(state('b')), { timeout: 10_000, interval: 50 });
    expect((await store.list()).map((e) => e.state.node)).toEqual(['b']);
    await store.close();
    await server.stop();
  });

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
