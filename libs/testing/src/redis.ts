import { mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, waitFor } from './helpers.ts';
import { startServerProcess } from './server-process.ts';

export interface TestRedis {
  /** `redis://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
  /** The server stands still: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
}

/**
 * A real redis-server without persistence on loopback; at a stated port to come back where a stopped one was.
 * `config` is a file that it reads first (a sentinel must have one).
 */
export async function startRedis(
  options: { port?: number; args?: readonly string[]; config?: string } = {},
): Promise<TestRedis> {
  const dir = mkdtempSync(join(tmpdir(), 'perfleet-redis-'));
  const port = options.port ?? (await freePort());
  const listen = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir];
  const volatile = options.config === undefined ? ['--save', '', '--appendonly', 'no'] : [];
  const args = [
    ...(options.config === undefined ? [] : [options.config]),
    ...listen,
    ...volatile,
    ...(options.args ?? []),
  ];
  const server = await startServerProcess(dir, 'redis-server', args);
  try {
    await waitFor(() => (server.check(), pong(port)), { timeoutMs: 20_000, what: `a PONG of Redis at port ${port}` });
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    stop: () => server.stop(),
    pause: () => server.signal('SIGSTOP'),
    resume: () => server.signal('SIGCONT'),
  };
}

function pong(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.once('error', reject);
    socket.setTimeout(2000, () => socket.destroy(new Error('no answer')));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString().startsWith('+PONG'));
    });
  });
}
