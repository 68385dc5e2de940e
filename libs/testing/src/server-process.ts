import { spawn } from 'node:child_process';

/**
 * Starts the command, prints its pid, and waits for it. A second shell reads standard input: when the test process ends,
 * however it ends, the pipe closes and the server and its directory go.
 */
const GUARD = `
dir=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
pid=$!
echo $pid
( cat <&3 >/dev/null; kill -9 $pid; rm -rf "$dir" ) 2>/dev/null &
exec 3<&-
wait $pid`;

export interface ServerProcess {
  readonly pid: number;
  /** The last 100 kB of what it wrote. */
  log(): string;
  /** Throws with the log when the server has ended. */
  check(): void;
  signal(signal: NodeJS.Signals): void;
  /** Kills it and removes its directory. */
  stop(): Promise<void>;
}

/** A server that lives at most as long as this process. `dir` is removed with it. */
export async function startServerProcess(
  dir: string,
  command: string,
  args: readonly string[],
): Promise<ServerProcess> {
  const shell = spawn('sh', ['-c', GUARD, 'sh', dir, command, ...args], { stdio: ['pipe', 'pipe', 'pipe'], cwd: dir });
  let log = '';
  let ended = false;
  const keep = (data: Buffer) => (log = (log + data.toString()).slice(-100_000));
  const closed = new Promise<void>((resolve) => shell.once('close', () => resolve()));
  shell.once('exit', () => {
    ended = true;
    shell.stdin.end();
  });
  shell.stdin.on('error', () => undefined);
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
    async stop() {
      shell.stdin.end();
      await closed;
    },
  };
}
