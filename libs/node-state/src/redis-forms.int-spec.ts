import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeStateSchema } from '@perfleet/messages';
import { freePort, requireTool, startRedis, tempDir, waitFor, type TestRedis } from '@perfleet/testing';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { openRedisNodeState } from './redis.ts';
import type { NodeStateStore } from './store.ts';

const missing = ['redis-server', 'openssl'].map(requireTool).find((tool) => !tool.available);
const state = nodeStateSchema.parse({
  ...{ node: 'a', epoch: 'e', startedAt: 1, updatedAt: 1000, mode: 'pods', fallback: false, modeReason: '' },
  ...{ rung: 1, rungReason: '', rateHz: 19 },
});

/** Every form that a Redis comes in, with every kind of call: single keys, transactions, scripts over several keys. */
describe.skipIf(missing)(`forms of Redis${missing ? ` (skipped: ${missing.reason})` : ''}`, () => {
  const servers: TestRedis[] = [];
  let store: NodeStateStore | null = null;
  afterEach(async () => {
    await store?.close();
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });

  async function works(url: string): Promise<void> {
    const opened = (store = openRedisNodeState({ url, timeoutMs: 3000 }));
    await waitFor(() => opened.put(state).then(() => true), { timeoutMs: 20_000, what: `a first put at ${url}` });
    await opened.heartbeat('a', 'e', 60_000);
    await opened.restore([]);
    expect(await opened.list()).toMatchObject([{ alive: true, liveEpochs: ['e'], state: { node: 'a' } }]);
    expect(await opened.config.set({ rateHz: 5 }, 0)).toBe(1);
    expect(await opened.alerts.lead('me', 60_000)).toBe(true);
    expect(await opened.alerts.commit('me', { put: [], remove: ['x'], history: [] })).toBe(true);
    await opened.deregister('a');
    expect(await opened.list()).toEqual([]);
  }

  it('a cluster, with keys that stay on one shard', async () => {
    const server = await startRedis({ args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'] });
    servers.push(server);
    const admin = new Redis(server.url);
    await admin.cluster('ADDSLOTSRANGE', 0, 16383);
    await waitFor(async () => (await admin.cluster('INFO')).includes('cluster_state:ok'), {
      ...{ timeoutMs: 20_000, what: 'the cluster to be whole' },
    });
    await works(`redis-cluster://127.0.0.1:${server.port}`);
    admin.disconnect();
  });

  it('a master behind a sentinel', async () => {
    const master = await startRedis();
    servers.push(master);
    const { path } = tempDir();
    const config = join(path, 'sentinel.conf');
    writeFileSync(config, `sentinel monitor main 127.0.0.1 ${master.port} 1\n`);
    const sentinel = await startRedis({ config, args: ['--sentinel'] });
    servers.push(sentinel);
    await works(`redis-sentinel://127.0.0.1:${sentinel.port}/main`);
  });

  it('TLS, whose certificate is verified', async () => {
    const { path } = tempDir();
    const [key, cert] = [join(path, 'key.pem'), join(path, 'cert.pem')];
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
    const name = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    execFileSync('openssl', [...request, ...name, '-keyout', key, '-out', cert], { stdio: 'pipe' });
    const port = await freePort();
    const tls = [
      '--tls-port',
      String(port),
      '--tls-cert-file',
      cert,
      '--tls-key-file',
      key,
      '--tls-ca-cert-file',
      cert,
    ];
    servers.push(await startRedis({ args: [...tls, '--tls-auth-clients', 'no'] }));
    await works(`rediss://127.0.0.1:${port}?ca=${cert}`);
    await store!.close();
    store = openRedisNodeState({ url: `rediss://127.0.0.1:${port}`, timeoutMs: 1000 });
    await expect(store.list()).rejects.toThrow(/certificate|no connection/);
  });
});
