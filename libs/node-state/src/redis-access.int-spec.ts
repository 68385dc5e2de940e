import { nodeStateSchema, type NodeState } from '@perfleet/messages';
import { collectorAccount, requireTool, startRedis, type TestRedis } from '@perfleet/testing';
import { issueToken } from '@perfleet/tokens';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRedisNodeState } from './redis.ts';
import type { NodeStateStore } from './store.ts';

const tool = requireTool('redis-server');
const state = (node: string): NodeState =>
  nodeStateSchema.parse({
    ...{ node, epoch: 'e', startedAt: 1, updatedAt: 1000, mode: 'pods', fallback: false, modeReason: '' },
    ...{ rung: 1, rungReason: '', rateHz: 19 },
  });

describe.skipIf(!tool.available)(`a collector's own account${tool.reason && ` (skipped: ${tool.reason})`}`, () => {
  let server: TestRedis;
  let admin: NodeStateStore;
  let collector: NodeStateStore;

  beforeAll(async () => {
    server = await startRedis({ args: ['--user', ...collectorAccount('secret')] });
    admin = openRedisNodeState({ url: server.url });
    collector = openRedisNodeState({ url: server.url.replace('//', '//collector:secret@') });
  });
  afterAll(async () => {
    await admin?.close();
    await collector?.close();
    await server?.stop();
  });

  it('reaches what a collector does: its state, its heartbeat, its leave, and the configuration', async () => {
    await admin.config.set({ rateHz: 49 });
    await collector.put(state('a'));
    await collector.heartbeat('a', 'e', 60_000);
    expect(await admin.get('a')).toMatchObject({ alive: true, state: { node: 'a' } });
    expect(await collector.list()).toHaveLength(1);
    expect(await collector.config.get()).toMatchObject({ version: 1, document: { rateHz: 49 } });
    expect(await collector.config.revision()).toMatchObject({ version: 1 });
    await collector.deregister('a');
    expect(await admin.list()).toEqual([]);
  });

  it('changes nothing else, and learns no token', async () => {
    const token = { name: 'x', scopes: ['admin'] as const, labels: {} };
    await issueToken(admin.tokens, { ...token, scopes: [...token.scopes] });
    const refused = [
      () => issueToken(collector.tokens, { ...token, scopes: [...token.scopes] }),
      () => collector.tokens.list(),
      () => collector.config.set({ rateHz: 1 }),
      () => collector.config.history(1),
      () => collector.alerts.lead('me', 1000),
      () => collector.alerts.silences(),
      () => collector.restore([{ state: state('b'), lastSeen: 1 }]),
      () => collector.uploads.contents('abcd'),
    ];
    for (const call of refused) await expect(call()).rejects.toThrow(/NOPERM|No permissions|can't run this command/i);
    expect(await admin.tokens.list()).toHaveLength(1);
    expect((await admin.config.revision())?.version).toBe(1);
    expect(await admin.list()).toEqual([]);
  });
});
