import type { Command } from 'commander';

/** ClickHouse's own port, so that this service and the API need no flag to run beside each other. */
export const CLICKHOUSE_PORT = '8123';

/** Options that several commands share, added by name so that each has one description. */
const OPTIONS = {
  data: [['--data <dir>', 'where data lives on this machine']],
  httpPort: [['--http-port <port>', 'port to listen on (4700; clickhouse: 8123)']],
  httpHost: [['--http-host <address>', 'address to listen on (127.0.0.1)']],
  clickhousePort: [
    [
      '--clickhouse-port <port>',
      "port to answer SQL on ClickHouse's HTTP protocol, with the sandbox of the API, or off (off)",
    ],
  ],
  auth: [
    [
      '--auth <mode>',
      'tokens: callers need one; none: whoever reaches the ports may do everything (none, on loopback only)',
    ],
  ],
  allowedHosts: [['--allowed-hosts <names>', 'host names by which browsers may call, besides addresses and localhost']],
  tls: [
    ['--tls-cert-file <file>', 'PEM, for every port of the API; without it and its key tokens travel in the clear'],
    ['--tls-key-file <file>', 'PEM; both are read again when they are renewed'],
  ],
  otlpHost: [['--otlp-host <address>', 'address to receive OTLP profiles on (127.0.0.1)']],
  otlpGrpcPort: [['--otlp-grpc-port <port>', 'port for OTLP over gRPC, or off (4317)']],
  otlpHttpPort: [['--otlp-http-port <port>', 'port for OTLP over HTTP, or off (4318)']],
  metrics: [
    ['--metrics-port <port>', 'port to serve /metrics at, or off (off)'],
    ['--metrics-host <address>', 'address to serve /metrics at (127.0.0.1)'],
  ],
  rate: [['--rate <hz>', 'samples a second and CPU (19)']],
  rung: [['--rung <n>', 'sampler: auto, 1 (eBPF), 2 (perf, whole system), 3 (perf, own processes)']],
  offCpu: [['--off-cpu', 'profiles of the time that threads are blocked, too (rung 1)']],
  node: [['--node <name>', "this node's name (host name)"]],
  cluster: [['--cluster <name>', "the cluster's name"]],
  kafka: [
    ['--kafka-brokers <list>', 'host:port,…; without it the embedded log is used'],
    ['--kafka-replication <n>', 'copies of topics that are created (3 where there are as many brokers, else 1)'],
    ['--kafka-tls', 'encrypt connections to the brokers'],
    ['--kafka-ca-file <file>', "PEM file of the authority that signed the brokers' certificates; turns TLS on"],
    ['--kafka-sasl-mechanism <name>', 'plain, scram-sha-256 or scram-sha-512'],
    ['--kafka-sasl-user <name>', 'its password is read from PERFLEET_KAFKA_SASL_PASSWORD only: flags are public'],
    ['--kafka-client-id <id>', 'name of this client in the logs and quotas of the brokers (perfleet)'],
    ['--topic-prefix <text>', 'put before the names of topics and groups'],
  ],
  redis: [['--redis-url <url>', 'redis://… for node state; without it SQLite is used']],
  clickhouse: [['--clickhouse-url <url>', 'http://… of a ClickHouse server; user, password and database by variable']],
  binaries: [['--binaries-dir <dir>', 'binaries of other machines by id, gnu-<hex>']],
  receive: [
    ['--upload-port <port>', 'port to receive binaries of nodes on, or off (off)'],
    ['--upload-host <address>', 'address to receive them on (127.0.0.1)'],
    ['--upload-tls-cert-file <file>', 'PEM; without it and its key the tokens of nodes travel in the clear'],
    ['--upload-tls-key-file <file>', 'PEM'],
    ['--binary-store <place>', 'directory, or s3://bucket/prefix, for what is received (below --data)'],
    ['--binary-store-quota-mb <n>', 'what it may hold; the binaries used longest ago go first (51200)'],
    ['--local-files <yes|no>', 'whether files of this machine may stand for binaries (yes)'],
  ],
  send: [
    ['--upload-url <url>', 'where a symbolizer receives binaries; nothing is sent without it and a token'],
    ['--upload-token-file <file>', "file with this node's token, from `perfleet token create --node`"],
    ['--upload-ca-file <file>', "PEM of the authority that signed the symbolizer's certificate"],
    ['--upload-kb-per-second <n>', 'how fast binaries are sent (2048)'],
  ],
  logLevel: [['--log-level <level>', 'debug, info, warn or error (info)']],
} as const;

/** Of the commands that serve the page and the API. */
export const API_OPTIONS = [
  'httpPort',
  'httpHost',
  'clickhousePort',
  'auth',
  'allowedHosts',
  'tls',
  'otlpHost',
  'otlpGrpcPort',
  'otlpHttpPort',
] as const satisfies ReadonlyArray<keyof typeof OPTIONS>;

export type OptionName = keyof typeof OPTIONS;

export function withOptions(command: Command, names: readonly OptionName[]): Command {
  for (const name of names) for (const [flags, description] of OPTIONS[name]) command.option(flags, description);
  return command;
}

/** Flag names as settings keys: `--rate` sets `rateHz`. */
export function asSettings(flags: Record<string, unknown>): Record<string, unknown> {
  const { rate, ...rest } = flags;
  return rate === undefined ? rest : { ...rest, rateHz: rate };
}
