import { spawn } from 'node:child_process';

/** A process that burns a tenth of a CPU, evenly: something to sample on an idle machine for as long as a test takes. */
export function startDutyCycle(): { stop(): void } {
  const burn = 'setInterval(() => { for (const end = performance.now() + 20; performance.now() < end;); }, 200)';
  const child = spawn(process.execPath, ['-e', burn], { stdio: 'ignore' });
  const stop = () => void child.kill('SIGKILL');
  process.once('exit', stop);
  return {
    stop: () => {
      process.removeListener('exit', stop);
      stop();
    },
  };
}
