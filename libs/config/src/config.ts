import { z } from 'zod';
import { alertFields } from './alert-fields.ts';
import { oidcFields } from './oidc-fields.ts';
import { uploadFields } from './upload-fields.ts';

/** A setting is wrong: the message lists every error at once, one line each, with the variable's name. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** `httpPort` -> `PERFLEET_HTTP_PORT`. */
export function variableName(key: string): string {
  return `PERFLEET_${key.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`;
}

/**
 * Reads one app's settings: a command line flag wins over its variable, the variable over the default.
 * @param schema an object schema whose keys are camel case; every field has a default or is optional
 * @throws ConfigError that lists all errors
 */
export function loadConfig<S extends z.ZodObject>(
  schema: S,
  env: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Record<string, unknown>> = {},
): z.infer<S> {
  const input: Record<string, unknown> = {};
  for (const key of Object.keys(schema.shape)) {
    const fromEnv = env[variableName(key)];
    if (flags[key] !== undefined) input[key] = flags[key];
    else if (fromEnv !== undefined && fromEnv !== '' && !isServiceLink(key, fromEnv)) input[key] = fromEnv;
  }
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const key = String(issue.path[0] ?? '');
    const value = input[key];
    return `${variableName(key)}${value === undefined ? '' : `=${shown(key, value)}`}: ${issue.message}`;
  });
  throw new ConfigError(`bad configuration:\n  ${lines.join('\n  ')}`);
}

/**
 * Kubernetes tells pods of the Services beside them by variables that may have a setting's name: a Service `perfleet-http` is
 * `PERFLEET_HTTP_PORT=tcp://10.0.0.7:80`. That is nobody's setting.
 */
function isServiceLink(key: string, value: string): boolean {
  return key.endsWith('Port') && /^(tcp|udp|sctp):\/\//.test(value);
}

const BROKER = /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/;
const SECRET = /Password$|Token$/;

/** A value for an error message: passwords are not repeated, not even those in an address. */
function shown(key: string, value: unknown): string {
  return SECRET.test(key) ? '…' : String(value).replace(/(\/\/[^/@\s]*:)[^/@\s]*@/, '$1…@');
}

const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/** `auto` = found inside a cluster, nothing outside of one. */
const sourceUrl = z.union([z.enum(['auto', 'none']), z.url({ protocol: /^https?$/ })], 'a URL, auto or none');

/** On or off, from a flag without a value or from a variable. */
const flag = z
  .union([z.boolean(), z.enum(['true', 'false', '1', '0', 'yes', 'no'])], 'must be true or false')
  .transform((value) => value === true || ['true', '1', 'yes'].includes(String(value)));

/** A port, or `off` (null). */
const optionalPort = z.union(
  [z.literal('off').transform(() => null), integer(0, 65535)],
  'a port from 0 to 65535, or off',
);

const list = (text: string) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);

/** Fields that several apps share; each app picks what it needs. */
export const fields = {
  dataDir: z.string().min(1),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  topicPrefix: z
    .string()
    .regex(/^[a-zA-Z0-9._-]*$/, 'letters, digits, dot, underscore and dash only')
    .default(''),
  /** Comma-separated host:port list; empty = the embedded log. */
  kafkaBrokers: z
    .string()
    .default('')
    .transform(list)
    .refine(
      (brokers) => brokers.every((broker) => BROKER.test(broker)),
      'must be host:port, several with commas between',
    ),
  /** Copies of each partition of topics that are created; by default 3 where the cluster has as many brokers, else 1. */
  kafkaReplication: integer(1, 9).optional(),
  kafkaClientId: z.string().min(1).max(249).default('perfleet'),
  kafkaTls: flag.default(false),
  /** PEM file of the authority that signed the brokers' certificates; empty = those that the system trusts. Turns TLS on. */
  kafkaCaFile: z.string().default(''),
  kafkaSaslMechanism: z.enum(['', 'plain', 'scram-sha-256', 'scram-sha-512']).default(''),
  kafkaSaslUser: z.string().default(''),
  kafkaSaslPassword: z.string().default(''),
  redisUrl: z
    .union([
      z.literal(''),
      z
        .string()
        .regex(
          /^rediss?(-sentinel|-cluster)?:\/\//,
          'must start with redis://, redis-sentinel:// or redis-cluster://, or the same with rediss for TLS',
        ),
    ])
    .default(''),
  clickhouseUrl: z.union([z.literal(''), z.url({ protocol: /^https?$/ })]).default(''),
  clickhouseUser: z.string().default('default'),
  clickhousePassword: z.string().default(''),
  clickhouseDatabase: z.string().default('default'),
  /** Name in `remote_servers`; '' = a single server. */
  clickhouseCluster: z
    .string()
    .regex(/^[\w.-]{0,128}$/, 'expected the name of a cluster')
    .default(''),
  /** `NAME=URL,URL …`; '' = as the server's `system.clusters` says. */
  clickhouseShards: z.string().default(''),
  /** Who runs SQL of users; '' = who runs everything else. */
  clickhouseSqlUser: z.string().default(''),
  clickhouseSqlPassword: z.string().default(''),
  /** Where the API answers SQL of users on ClickHouse's HTTP protocol. */
  clickhousePort: optionalPort.default(null),
  cluster: z.string().max(253).default(''),
  node: z.string().max(253).default(''),
  rateHz: integer(1, 999).default(19),
  windowSeconds: integer(1, 60).default(5),
  rung: z.enum(['auto', '1', '2', '3']).default('auto'),
  /** Profiles of the time that threads are blocked, too. */
  offCpu: flag.default(false),
  samplerBinary: z.string().default(''),
  /** Sampler, MiB: kernel memory for unwind tables; those used longest ago go first, and what has none is walked by frame pointers. */
  samplerTablesMb: integer(1, 4096).default(32),
  /** Sampler: distinct stacks of a window in the kernel, in pieces of 32 frames; 0 = by rate, window and CPUs. Samples of more are lost, and counted. */
  samplerStacks: integer(0, 1 << 20).default(0),
  /** Collector, MiB of messages that wait on disk while the stream is away; the oldest go first, and are counted. */
  spoolMb: integer(1, 1_000_000).default(256),
  /** Collector, hours that they wait at most; the store keeps raw samples for 14 days. */
  spoolHours: integer(1, 312).default(168),
  binariesDir: z.string().default(''),
  /** Symbolizer, MiB: private memory that making a lookup table may take, and tables that are mapped from their files. */
  symbolsMemoryMb: integer(16, 65_536).default(512),
  /** Symbolizer, MiB: lookup tables that are kept in the data directory; those used longest ago go first. */
  symbolTablesMb: integer(64, 10_000_000).default(4096),
  /** Base addresses of debuginfod servers, separated by spaces or commas, asked in order; empty = none is asked. */
  debuginfodUrls: z
    .string()
    .default('')
    .transform((s) => s.split(/[\s,]+/).filter(Boolean))
    .pipe(z.array(z.url({ protocol: /^https?$/, error: 'must be http:// or https:// addresses' }))),
  httpHost: z.string().default('127.0.0.1'),
  httpPort: integer(0, 65535).default(4700),
  /** Of the API's ports, OTLP's and ClickHouse's among them: PEM files, read again when they are renewed; without them no TLS. */
  tlsCertFile: z.string().default(''),
  tlsKeyFile: z.string().default(''),
  /** Where the aggregator and the symbolizer, which serve nothing else, answer scrapes. The API does at its own port. */
  metricsHost: z.string().default('127.0.0.1'),
  metricsPort: optionalPort.default(null),
  /** Who may use the API and its ports: holders of tokens, or everybody who reaches them. Empty = `none`, on loopback only. */
  auth: z.enum(['', 'tokens', 'none']).default(''),
  /** With tokens: whether `/metrics` is told to everybody. */
  metricsPublic: flag.default(false),
  /** Of one caller of the API: a token, or an address where nobody is asked. */
  requestsPerSecond: integer(1, 1_000_000).default(200),
  concurrentRequests: integer(1, 100_000).default(64),
  /** Comma-separated host names, besides addresses and localhost, by which a browser may call the page and the API. */
  allowedHosts: z
    .string()
    .default('')
    .transform((text) => list(text.toLowerCase())),
  /** Where OpenTelemetry's agents send profiles; a port that is taken already is said in the log and ends nothing. */
  otlpHost: z.string().default('127.0.0.1'),
  otlpGrpcPort: optionalPort.default(4317),
  otlpHttpPort: optionalPort.default(4318),
  /** What one sender of profiles (a token, or a remote address where nobody is asked) may hand over. */
  ingestRequestsPerSecond: integer(1, 1_000_000).default(100),
  ingestMibPerSecond: integer(1, 10_000).default(32),
  kubernetes: z.enum(['auto', 'yes', 'no']).default('auto'),
  /** Names of pods come from the API server, the kubelet and the links of container logs; `none` turns one off. */
  apiServerUrl: sourceUrl.default('auto'),
  kubeletUrl: sourceUrl.default('none'),
  containerLogsDir: z.string().min(1).default('/var/log/containers'),
  kubernetesTokenFile: z.string().min(1).default('/var/run/secrets/kubernetes.io/serviceaccount/token'),
  kubernetesCaFile: z.string().min(1).default('/var/run/secrets/kubernetes.io/serviceaccount/ca.crt'),
  /** Of the kubelet's certificate, which the cluster's CA signs in few clusters; empty = the cluster's CA. */
  kubeletCaFile: z.string().default(''),
  ...oidcFields,
  ...alertFields,
  ...uploadFields,
};
