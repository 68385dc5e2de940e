import { pino, type Logger } from 'pino';

export type { Logger };

/**
 * One JSON object a line on standard error, so that standard output stays free for a command's answer.
 * With `pretty` (a terminal) the same fields as one readable line.
 */
export function createLogger(name: string, options: { level?: string; pretty?: boolean } = {}): Logger {
  const settings = { name, level: options.level ?? 'info', base: undefined, timestamp: pino.stdTimeFunctions.isoTime };
  if (!options.pretty) return pino({ ...settings, name }, pino.destination({ fd: 2, sync: true }));
  return pino({ ...settings, name }, { write: (line: string) => void process.stderr.write(readable(line)) });
}

const LEVELS: Record<number, string> = { 20: 'debug', 30: 'info ', 40: 'warn ', 50: 'error', 60: 'fatal' };

function readable(line: string): string {
  const { level, time, name, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const extra = Object.entries(rest)
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('');
  return `${String(time).slice(11, 19)} ${LEVELS[Number(level)] ?? level} ${name}: ${msg ?? ''}${extra}\n`;
}
