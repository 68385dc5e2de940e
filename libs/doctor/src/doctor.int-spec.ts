import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireTool, startRedis } from '@perfleet/testing';
import { samplerBinaryPath } from '@perfleet/sampler';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCode, runDoctor } from './run.ts';

let dir: string;
beforeAll(async () => void (dir = await mkdtemp(join(tmpdir(), 'perfleet-doctor-'))));
afterAll(() => rm(dir, { recursive: true, force: true }));

const named = (checks: Awaited<ReturnType<typeof runDoctor>>, name: string) => checks.find((c) => c.name === name);
const script = async (name: string, body: string) => {
  const path = join(dir, name);
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
};
const RUNGS = (ok: boolean) => `echo '{"rungs":[{"rung":1,"ok":false,"error":"no"},{"rung":2,"ok":${ok},"error":""}]}'`;

describe('this machine', () => {
  it('is described without a failure of the doctor itself', async () => {
    const sampler = await script('ok', RUNGS(true));
    const checks = await runDoctor({ samplerBinary: sampler, dataDir: join(dir, 'data') });
    const names = checks.map(({ name }) => name);
    for (const name of ['kernel', 'btf', 'capabilities', 'perf_event_paranoid', 'cgroups', 'pid namespace']) {
      expect(names).toContain(name);
      expect(named(checks, name)?.status, JSON.stringify(named(checks, name))).not.toBe('fail');
    }
    expect(named(checks, 'kernel')?.detail).toMatch(/^Linux \d+\./);
    expect(named(checks, 'data directory')?.status).toBe('pass');
    expect(existsSync(join(dir, 'data'))).toBe(false);
    expect(named(checks, 'broker')).toBeUndefined();
    expect(exitCode(checks)).toBe(0);
  });

  const binary = samplerBinaryPath();
  it.skipIf(!existsSync(binary))(
    `finds a rung with the built sampler${existsSync(binary) ? '' : ` (skipped: ${binary} is not built)`}`,
    async () => {
      const checks = await runDoctor({ samplerBinary: binary, timeoutMs: 20_000 });
      expect(named(checks, 'sampler')?.detail).toContain('can run');
    },
  );
});

describe('a broken installation', () => {
  it('fails without a rung, without a sampler and with one that hangs, in bounded time', async () => {
    expect(exitCode(await runDoctor({ samplerBinary: await script('none', RUNGS(false)) }))).toBe(1);
    expect(exitCode(await runDoctor({ samplerBinary: join(dir, 'missing') }))).toBe(1);
    const started = performance.now();
    const checks = await runDoctor({ samplerBinary: await script('hangs', 'exec sleep 60'), timeoutMs: 300 });
    expect(named(checks, 'sampler')).toMatchObject({ status: 'fail', detail: 'no answer within 300 ms' });
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('says which service is not there', async () => {
    const checks = await runDoctor({
      samplerBinary: join(dir, 'missing'),
      broker: '127.0.0.1:1,not-an-address',
      redis: 'redis://127.0.0.1:1',
      clickhouse: 'http://127.0.0.1:1',
      dataDir: '/proc/cannot',
    });
    for (const name of ['broker', 'redis', 'clickhouse', 'data directory']) {
      expect(named(checks, name), name).toMatchObject({ status: 'fail', fix: expect.any(String) });
    }
    expect(named(checks, 'redis')?.detail).toContain('ECONNREFUSED');
    const sentinels = await runDoctor({
      samplerBinary: join(dir, 'missing'),
      redis: 'redis-sentinel://127.0.0.1:1,127.0.0.1:2/main',
      timeoutMs: 1000,
    });
    expect(named(sentinels, 'redis')?.detail).toMatch(/sentinel/i);
  });
});

describe('services that are there', () => {
  let server: Server;
  beforeAll(async () => {
    server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void server.close());

  it('reaches a broker, and says how many of several', async () => {
    const { port } = server.address() as { port: number };
    const samplerBinary = join(dir, 'missing');
    expect(named(await runDoctor({ samplerBinary, broker: `127.0.0.1:${port}` }), 'broker')?.status).toBe('pass');
    const some = named(await runDoctor({ samplerBinary, broker: `127.0.0.1:${port},127.0.0.1:1` }), 'broker');
    expect(some).toMatchObject({ status: 'degraded', detail: expect.stringContaining('1 of 2') });
  });

  const redisServer = requireTool('redis-server');
  it.skipIf(!redisServer.available)(
    `pings a real Redis, and gives up on one that stands still${redisServer.reason && ` (skipped: ${redisServer.reason})`}`,
    async () => {
      const redis = await startRedis();
      try {
        const options = { samplerBinary: join(dir, 'missing'), redis: redis.url, timeoutMs: 1000 };
        expect(named(await runDoctor(options), 'redis')).toMatchObject({ status: 'pass', detail: 'answers PONG' });
        redis.pause();
        expect(named(await runDoctor(options), 'redis')?.status).toBe('fail');
      } finally {
        redis.resume();
        await redis.stop();
      }
    },
  );
});
