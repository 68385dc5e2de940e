import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

/**
 * Starts the command, whose pid is printed before anything of its own, and waits for it. A second shell reads a pipe (3):
 * when the test process ends, however it ends, the pipe closes and the server and its directory go. (Node closes a child's
 * standard input with the child.) The first shell lives as long as the server: without it the pid may be somebody else's by now.
 */
const GUARD = `
dir=$1; shift
sh -c 'echo $$; exec "$@"' sh "$@" </dev/null 3<&- &
pid=$!
( cat <&3 >/dev/null; kill -0 $$ && kill -9 $pid; rm -rf "$dir" ) 2>/dev/null &
exec 3<&-
wait $pid`;

export interface ServerProcess {
  readonly pid: number;
  /** The last 100 kB of what it wrote. */
  log(): string;
  /** Throws with the log when the server has ended. */
  check(): void;
  signal(signal: NodeJS.Signals): void;
  /** Kills it. However it ends, its directory stays until `stop`, for the server that comes after it. */
  kill(): Promise<void>;
  /** Kills it and removes its directory. */
  stop(): Promise<void>;
}

/** A server that lives at most as long as this process. `dir` is removed with it. */
export async function startServerProcess(
  dir: string,
  command: string,
  args: readonly string[],
): Promise<ServerProcess> {
  const shell = spawn('sh', ['-c', GUARD, 'sh', dir, command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    cwd: dir,
  }) as ChildProcessByStdio<null, Readable, Readable>;
  const lifeline = shell.stdio[3] as Writable;
  let log = '';
  let ended = false;
  const keep = (data: Buffer) => (log = (log + data.toString()).slice(-100_000));
  const closed = new Promise<void>((resolve) => shell.once('close', () => resolve()));
  const exited = new Promise<void>((resolve) =>
    shell.once('exit', () => {
      ended = true;
      resolve();
    }),
  );
  lifeline.on('error', () => undefined);
  shell.stderr.on('data', keep);
  const pid = await new Promise<number>((resolve, reject) => {
    shell.once('error', reject);
    shell.once('exit', () => reject(new Error(`${command} did not start: ${log}`)));
    shell.stdout.once('data', (data: Buffer) => {
      const [first, ...rest] = data.toString().split('\n');
      keep(Buffer.from(rest.join('\n')));
      shell.stdout.on('data', keep);
      resolve(Number(first));
    });
  });
  return {
    pid,
    log: () => log,
    check() {
      if (ended) throw new Error(`${command} ended:\n${log}`);
    },
    signal(signal) {
      if (!ended) process.kill(pid, signal);
    },
    async kill() {
      if (!ended) process.kill(pid, 'SIGKILL');
      await exited;
    },
    async stop() {
      lifeline.end();
      await closed;
    },
  };
}
