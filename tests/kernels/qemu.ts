import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Guest {
  /** Lines that the guest wrote for the host, without the mark. */
  readonly said: readonly string[];
  /** The end of the console, for those who want to know why. */
  readonly console: string;
  /** Why it ended before it was through; "" if it was. */
  readonly trouble: string;
}

const MARK = '@@ ';
const CONSOLE_LINES = 60;

/**
 * Boots a kernel in emulation, without KVM, with two CPUs, the console on the first serial port and a file on the second.
 * Ends when the guest powers off, panics, or the time is over.
 */
export function boot(options: {
  readonly kernel: string;
  readonly initramfs: string;
  /** What the guest writes to its second serial port. */
  readonly output: string;
  readonly seconds: number;
  readonly onLine: (line: string) => void;
}): Promise<Guest> {
  const args = [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '1536', '-nodefaults', '-no-user-config'],
    ...['-display', 'none', '-no-reboot', '-kernel', options.kernel, '-initrd', options.initramfs],
    ...['-append', 'console=ttyS0 panic=-1 mitigations=off rdinit=/init'],
    ...['-serial', 'stdio', '-serial', `file:${options.output}`],
  ];
  return new Promise((resolve, reject) => {
    const child = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const [said, last]: [string[], string[]] = [[], []];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, options.seconds * 1000);
    const keep = (line: string) => {
      const at = line.indexOf(MARK);
      if (at >= 0) {
        said.push(line.slice(at + MARK.length).trim());
        options.onLine(said.at(-1)!);
      }
      last.push(line);
      if (last.length > CONSOLE_LINES) last.shift();
    };
    createInterface({ input: child.stdout }).on('line', keep);
    createInterface({ input: child.stderr }).on('line', keep);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      const after = `after “${said.at(-1) ?? 'nothing'}”`;
      const ended = late ? `took more than ${options.seconds} s, ${after}` : `ended ${after} (qemu: ${code})`;
      resolve({ said, console: last.join('\n'), trouble: said.at(-1) === 'end' ? '' : ended });
    });
  });
}
