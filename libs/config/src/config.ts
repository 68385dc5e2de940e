import { z } from 'zod';

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
    else if (fromEnv !== undefined && fromEnv !== '') input[key] = fromEnv;
  }
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const key = String(issue.path[0] ?? '');
    const value = input[key];
    return `${variableName(key)}${value === undefined ? '' : `=${String(value)}`}: ${issue.message}`;
  });
  throw new ConfigError(`bad configuration:\n  ${lines.join('\n  ')}`);
}

const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/** `auto` = found inside a cluster, nothing outside of one. */
const sourceUrl = z.union([z.enum(['auto', 'none']), z.url({ protocol: /^https?$/ })], 'a URL, auto or none');

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
    .transform((s) =>
      s
        .split(',')
        .map((b) => b.trim())
        .filter(Boolean),
    ),
  kafkaReplication: integer(1, 9).default(1),
  redisUrl: z
    .union([z.literal(''), z.string().regex(/^rediss?:\/\//, 'must start with redis:// or rediss://')])
    .default(''),
  clickhouseUrl: z.union([z.literal(''), z.url({ protocol: /^https?$/ })]).default(''),
  clickhouseUser: z.string().default('default'),
  clickhousePassword: z.string().default(''),
  clickhouseDatabase: z.string().default('default'),
  cluster: z.string().max(253).default(''),
  node: z.string().max(253).default(''),
  rateHz: integer(1, 999).default(19),
  windowSeconds: integer(1, 60).default(5),
  rung: z.enum(['auto', '1', '2', '3']).default('auto'),
  samplerBinary: z.string().default(''),
  binariesDir: z.string().default(''),
  httpHost: z.string().default('127.0.0.1'),
  httpPort: integer(0, 65535).default(4700),
  kubernetes: z.enum(['auto', 'yes', 'no']).default('auto'),
  /** Names of pods come from the API server, the kubelet and the links of container logs; `none` turns one off. */
  apiServerUrl: sourceUrl.default('auto'),
  kubeletUrl: sourceUrl.default('none'),
  containerLogsDir: z.string().min(1).default('/var/log/containers'),
  kubernetesTokenFile: z.string().min(1).default('/var/run/secrets/kubernetes.io/serviceaccount/token'),
  kubernetesCaFile: z.string().min(1).default('/var/run/secrets/kubernetes.io/serviceaccount/ca.crt'),
  /** Of the kubelet's certificate, which the cluster's CA signs in few clusters; empty = the cluster's CA. */
  kubeletCaFile: z.string().default(''),
};
