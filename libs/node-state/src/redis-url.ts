import { readFileSync } from 'node:fs';
import { NodeStateUnavailableError } from './errors.ts';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Where a Redis is and how to reach it, as one URL says. */
export interface RedisTarget {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** The server, the sentinels, or the cluster's first nodes. */
  readonly addresses: readonly RedisAddress[];
  /** Sentinel's name of the master; "" otherwise. */
  readonly master: string;
  readonly username: string;
  readonly password: string;
  readonly database: number;
  /** null = no TLS; certificates are always verified. */
  readonly tls: RedisTls | null;
  /** Password of the sentinels themselves, when they have another one. */
  readonly sentinelPassword: string;
}

const SHAPE = /^(rediss?)(-sentinel|-cluster)?:\/\/(?:([^@/]*)@)?([^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/;

/**
 * `redis://user:password@host:6379/0`, `redis-sentinel://:password@host1:26379,host2:26379/MASTER`,
 * `redis-cluster://host1:6379,host2:6379`; `rediss…` with TLS. Parameters: `ca`, `cert` and `key` name files in PEM,
 * `sentinelPassword`, `db`.
 * @throws NodeStateUnavailableError that says what is wrong, never with the password
 */
export function parseRedisUrl(url: string): RedisTarget {
  const match = SHAPE.exec(url);
  if (!match) throw new NodeStateUnavailableError('the Redis URL is not redis[s][-sentinel|-cluster]://host:port,…');
  const [, scheme, form = '', credentials = '', hosts = '', path = '', query = ''] = match;
  const kind = form === '-sentinel' ? 'sentinel' : form === '-cluster' ? 'cluster' : 'single';
  const parameters = new URLSearchParams(query);
  const colon = credentials.indexOf(':');
  const addresses = hosts.split(',').map((host) => parseAddress(host, kind === 'sentinel' ? 26379 : 6379));
  if (kind === 'single' && addresses.length > 1)
    throw new NodeStateUnavailableError(
      'redis:// takes one host; use redis-sentinel:// or redis-cluster:// for several',
    );
  if (kind === 'sentinel' && path === '')
    throw new NodeStateUnavailableError('redis-sentinel://host:26379,…/MASTER: the name of the master is missing');
  const database = Number(parameters.get('db') ?? (kind === 'single' && path !== '' ? path : '0'));
  if (!Number.isInteger(database) || database < 0)
    throw new NodeStateUnavailableError('the Redis database must be a number: redis://host:6379/0');
  return {
    kind,
    addresses,
    master: kind === 'sentinel' ? decodeURIComponent(path) : '',
    username: decodeURIComponent(colon < 0 ? credentials : credentials.slice(0, colon)),
    password: colon < 0 ? '' : decodeURIComponent(credentials.slice(colon + 1)),
    database,
    tls: scheme === 'rediss' ? tlsOf(parameters) : null,
    sentinelPassword: parameters.get('sentinelPassword') ?? '',
  };
}

function parseAddress(text: string, port: number): RedisAddress {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(text.trim());
  if (!match) throw new NodeStateUnavailableError(`not a host:port in the Redis URL: ${text.slice(0, 100)}`);
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port: match[2] ? Number(match[2]) : port };
}

function tlsOf(parameters: URLSearchParams): RedisTls {
  const read = (name: string) => {
    const path = parameters.get(name);
    if (path === null) return {};
    try {
      return { [name]: readFileSync(path, 'utf8') };
    } catch (cause) {
      throw new NodeStateUnavailableError(`the Redis URL's ${name} file ${path} cannot be read`, { cause });
    }
  };
  return { ...read('ca'), ...read('cert'), ...read('key') };
}
