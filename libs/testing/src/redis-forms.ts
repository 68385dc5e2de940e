import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { makeCertificate } from './certificate.ts';
import { freePort, tempDir, waitFor } from './helpers.ts';
import { startRedis, type TestRedis } from './redis.ts';

/** Redis in one of the forms that a URL names, each of real servers. */
export interface TestRedisForm {
  readonly url: string;
  stop(): Promise<void>;
}

const WAIT_MS = 20_000;

/** A cluster of three masters, a third of the slots each, with no replicas. The URL names one of them. */
export async function startRedisCluster(): Promise<TestRedisForm> {
  const servers: TestRedis[] = [];
  const stop = async () => void (await Promise.all(servers.splice(0).map((server) => server.stop())));
  try {
    // `cluster-port`: the default, 10000 above, may be nobody's port or somebody's.
    const bus = await Promise.all([freePort(), freePort(), freePort()]);
    for (const port of bus) {
      const args = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-port', String(port)];
      servers.push(await startRedis({ args }));
    }
    const admins = servers.map(({ url }) => new Redis(url));
    try {
      const cuts = [0, 5461, 10923, 16384];
      await Promise.all(admins.map((admin, i) => admin.cluster('ADDSLOTSRANGE', cuts[i]!, cuts[i + 1]! - 1)));
      for (const i of [1, 2]) await admins[0]!.call('CLUSTER', 'MEET', '127.0.0.1', servers[i]!.port, bus[i]!);
      for (const admin of admins) {
        await waitFor(
          async () => {
            const info = await admin.cluster('INFO');
            return info.includes('cluster_state:ok') && info.includes('cluster_size:3');
          },
          { timeoutMs: WAIT_MS, what: 'the cluster to be whole' },
        );
      }
    } finally {
      for (const admin of admins) admin.disconnect();
    }
    return { url: `redis-cluster://127.0.0.1:${servers[0]!.port}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export interface TestSentinel extends TestRedisForm {
  /** Whoever is the master before a failover. */
  readonly master: TestRedis;
  /** Resolves when the replica has everything that was written before: replication waits for nobody. */
  inStep(): Promise<void>;
  /** Resolves when the sentinel has made the replica the master. */
  failedOver(): Promise<void>;
}

/** A master called `main`, its replica, which has all that the master has, and a sentinel that promotes it soon. */
export async function startRedisSentinel(): Promise<TestSentinel> {
  const dir = tempDir('perfleet-sentinel-');
  const servers: TestRedis[] = [];
  const stop = async () => {
    for (const server of servers) server.resume();
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    dir.remove();
  };
  try {
    const master = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
    servers.push(master);
    const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] });
    servers.push(replica);
    const follower = new Redis(replica.url);
    await waitFor(async () => (await follower.info('replication')).includes('master_link_status:up'), {
      ...{ timeoutMs: WAIT_MS, what: 'the replica to follow' },
    });
    follower.disconnect();
    const config = join(dir.path, 'sentinel.conf');
    const settings = ['down-after-milliseconds main 300', 'failover-timeout main 3000'];
    writeFileSync(
      config,
      [`monitor main 127.0.0.1 ${master.port} 1`, ...settings].map((line) => `sentinel ${line}\n`).join(''),
    );
    const sentinel = await startRedis({ config, args: ['--sentinel'] });
    servers.push(sentinel);
    const watcher = () => new Redis(sentinel.url, { enableReadyCheck: false });
    const asks = watcher();
    // A sentinel that does not know the replica has nobody to promote.
    await waitFor(async () => ((await asks.call('SENTINEL', 'REPLICAS', 'main')) as unknown[]).length === 1, {
      ...{ timeoutMs: WAIT_MS, what: 'the sentinel to see the replica' },
    });
    asks.disconnect();
    return {
      url: `redis-sentinel://127.0.0.1:${sentinel.port}/main`,
      master,
      async inStep() {
        const redis = new Redis(master.url);
        // On a connection that wrote nothing, WAIT asks for nothing.
        await redis.set('in-step', '1');
        await waitFor(async () => (await redis.wait(1, 1000)) === 1, { timeoutMs: WAIT_MS, what: 'the replica' });
        redis.disconnect();
      },
      async failedOver() {
        const redis = watcher();
        await waitFor(
          async () => {
            const [, port] = (await redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')) as [string, string];
            return Number(port) === replica.port;
          },
          { timeoutMs: WAIT_MS, what: 'the failover' },
        );
        redis.disconnect();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

export interface TestRedisTls extends TestRedisForm {
  /** The same server, without the authority that signed its certificate. */
  readonly unverified: string;
  /** The same server under a name that its certificate does not have. */
  readonly otherName: string;
}

/** A server that speaks TLS at a port of its own; its certificate is for `localhost` and signed by itself. */
export async function startRedisTls(): Promise<TestRedisTls> {
  const dir = tempDir('perfleet-redis-tls-');
  const { key, cert } = makeCertificate(dir.path);
  const port = await freePort();
  const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
  const server = await startRedis({ args: ['--tls-port', String(port), ...files, '--tls-auth-clients', 'no'] });
  return {
    url: `rediss://localhost:${port}?ca=${cert}`,
    unverified: `rediss://localhost:${port}`,
    otherName: `rediss://127.0.0.1:${port}?ca=${cert}`,
    async stop() {
      await server.stop();
      dir.remove();
    },
  };
}
