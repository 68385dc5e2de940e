import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { requireTool, startKafka, startRedis, tempDir, waitFor } from './index.ts';

const java = requireTool('java');
const redis = requireTool('redis-server');

const alive = (pid: number) => {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe('helpers', () => {
  it('waitFor gives the value, and names what never came with the last error', async () => {
    let n = 0;
    expect(await waitFor(() => ++n === 3 && 'third', { timeoutMs: 5000, what: 'the third call', intervalMs: 1 })).toBe(
      'third',
    );
    await expect(
      waitFor(() => Promise.reject(new Error('refused')), { timeoutMs: 30, what: 'a server', intervalMs: 1 }),
    ).rejects.toThrow('timed out after 30 ms waiting for a server; last error: refused');
  });

  it('requireTool says what to install', () => {
    expect(requireTool('sh')).toEqual({ available: true, reason: '' });
    expect(requireTool('no-such-tool').reason).toContain('apt-get install no-such-tool');
  });
});

describe('a server process', () => {
  it('dies with the process that started it, killed as hard as can be, and leaves no directory', async () => {
    const { path, remove } = tempDir();
    const program = `
      import { startServerProcess } from ${JSON.stringify(join(import.meta.dirname, 'server-process.ts'))};
      const server = await startServerProcess(${JSON.stringify(path)}, 'sleep', ['1000']);
      console.log(server.pid);
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = Number(await new Promise((resolve) => child.stdout.once('data', resolve)));
    expect(alive(pid)).toBe(true);
    child.kill('SIGKILL');
    await waitFor(() => !alive(pid) && !existsSync(path), { timeoutMs: 10_000, what: 'the server to be gone' });
    remove();
  });
});

describe.skipIf(!redis.available)(`startRedis${redis.reason && ` (skipped: ${redis.reason})`}`, () => {
  it('answers, and its port is free after stop', async () => {
    const first = await startRedis();
    await first.stop();
    const second = await startRedis({ port: first.port });
    expect(second.url).toBe(first.url);
    await second.stop();
  });
});

describe.skipIf(!java.available)(`startKafka${java.reason && ` (skipped: ${java.reason})`}`, () => {
  it('starts and stops', async () => {
    const kafka = await startKafka();
    expect(kafka.brokers[0]).toMatch(/^127\.0\.0\.1:\d+$/);
    await kafka.stop();
  });

  it('comes back at its address with what it had', async () => {
    const kafka = await startKafka();
    const topics = async (work: (admin: Admin) => Promise<unknown>) => {
      const admin = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      await work(admin);
      const names = await admin.listTopics();
      await admin.disconnect();
      return names;
    };
    await topics((admin) => admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }] }));
    await kafka.kill();
    await kafka.restart();
    expect(await topics(async () => undefined)).toContain('kept');
    await kafka.stop();
  });
});
