import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, requireTool, startKafka, startRedis } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPerfleet, urlIn, type Running } from '../support/perfleet.ts';
import { checkBalance, checkShares } from '../support/shares.ts';
import { startWorkloads, type Workloads } from '../support/workloads.ts';

const java = requireTool('java');
const redisServer = requireTool('redis-server');
const missing = [java, redisServer].filter((tool) => !tool.available).map((tool) => tool.reason);

describe.skipIf(missing.length > 0)(`four services over Kafka and Redis${missing.length ? ` (skipped: ${missing.join('; ')})` : ''}`, () => {
  const cleanup: Array<() => unknown> = [];
  let workloads: Workloads;
  let collector: Running;
  let server: string;

  beforeAll(async () => {
    const data = mkdtempSync(join(tmpdir(), 'perfleet-kafka-'));
    cleanup.push(() => rmSync(data, { recursive: true, force: true }));
    const [kafka, redis, chPort] = [await startKafka(), await startRedis(), await freePort()];
    cleanup.push(() => kafka.stop(), () => redis.stop());
    const env = { PERFLEET_KAFKA_BROKERS: kafka.brokers.join(','), PERFLEET_REDIS_URL: redis.url, PERFLEET_CLICKHOUSE_URL: `http://127.0.0.1:${chPort}` };
    const start = async (args: string[]) => {
      const service = await startPerfleet(args, env);
      cleanup.push(() => service.stop('SIGKILL'));
      return service;
    };
    workloads = startWorkloads();
    cleanup.push(() => workloads.stop());
    await start(['clickhouse', '--http-port', String(chPort), '--data', join(data, 'ch')]);
    await start(['aggregator', '--data', join(data, 'aggregator')]);
    await start(['symbolizer', '--data', join(data, 'symbolizer')]);
    collector = await start(['collector', '--data', join(data, 'collector'), '--rate', '99']);
    server = urlIn((await start(['api', '--http-port', '0', '--data', join(data, 'api')])).line).replace(/\/$/, '');
  });
  afterAll(async () => {
    for (const step of cleanup.reverse()) await step();
  });

  it('shows the known shares in the flame graph, the top list and SQL', () => checkShares(server, workloads, 5));

  it('takes = stored + lost', async () => expect(await checkBalance(server)).toBeGreaterThan(500));

  it('keeps node state in Redis', async () => {
    const { nodes } = (await (await fetch(`${server}/api/v1/nodes`)).json()) as { nodes: Array<Record<string, unknown>> };
    expect(nodes[0]).toMatchObject({ alive: true, rung: 1 });
  });

  it('a collector stops within three seconds of SIGTERM', async () => {
    const { code, ms } = await collector.stop('SIGTERM');
    expect(code, collector.log()).toBe(0);
    expect(ms).toBeLessThan(3_000);
  });
});
