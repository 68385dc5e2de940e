import type { Command } from 'commander';

/** Options that several commands share, added by name so that each has one description. */
const OPTIONS = {
  data: ['--data <dir>', 'where data lives on this machine'],
  httpPort: ['--http-port <port>', 'port of the page and the API (4700)'],
  httpHost: ['--http-host <address>', 'address to listen on (127.0.0.1)'],
  rate: ['--rate <hz>', 'samples a second and CPU (19)'],
  rung: ['--rung <n>', 'sampler: auto, 1 (eBPF), 2 (perf, whole system), 3 (perf, own processes)'],
  node: ['--node <name>', "this node's name (host name)"],
  cluster: ['--cluster <name>', "the cluster's name"],
  kafka: ['--kafka-brokers <list>', 'host:port,…; without it the embedded log is used'],
  redis: ['--redis-url <url>', 'redis://… for node state; without it SQLite is used'],
  clickhouse: ['--clickhouse-url <url>', 'http://… of a ClickHouse server; without it the embedded engine is used'],
  logLevel: ['--log-level <level>', 'debug, info, warn or error (info)'],
} as const;

export type OptionName = keyof typeof OPTIONS;

export function withOptions(command: Command, names: readonly OptionName[]): Command {
  for (const name of names) {
    const [flags, description] = OPTIONS[name];
    command.option(flags, description);
  }
  return command;
}

/** Flag names as settings keys: `--rate` sets `rateHz`. */
export function asSettings(flags: Record<string, unknown>): Record<string, unknown> {
  const { rate, ...rest } = flags;
  return rate === undefined ? rest : { ...rest, rateHz: rate };
}
