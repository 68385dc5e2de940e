import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from './redis-url.ts';

describe('parseRedisUrl', () => {
  it('reads one server', () => {
    expect(parseRedisUrl('redis://u:p%40ss@[::1]:7000/3')).toEqual({
      ...{ kind: 'single', addresses: [{ host: '::1', port: 7000 }], master: '', username: 'u', password: 'p@ss' },
      ...{ database: 3, tls: null, sentinelPassword: '' },
    });
    expect(parseRedisUrl('rediss://:secret@host')).toMatchObject({
      ...{ addresses: [{ host: 'host', port: 6379 }], username: '', password: 'secret', tls: {} },
    });
  });

  it('reads sentinels and clusters', () => {
    expect(parseRedisUrl('redis-sentinel://:p@a:1,b/main?db=2&sentinelPassword=s')).toMatchObject({
      ...{ kind: 'sentinel', master: 'main', password: 'p', database: 2, sentinelPassword: 's' },
      addresses: [
        { host: 'a', port: 1 },
        { host: 'b', port: 26379 },
      ],
    });
    expect(parseRedisUrl('rediss-cluster://a,b:2')).toMatchObject({ kind: 'cluster', tls: {} });
  });

  it('reads the files that TLS needs', () => {
    const dir = mkdtempSync(join(tmpdir(), 'perfleet-tls-'));
    writeFileSync(join(dir, 'ca.pem'), 'CA');
    expect(parseRedisUrl(`rediss://h?ca=${dir}/ca.pem`).tls).toEqual({ ca: 'CA' });
    rmSync(dir, { recursive: true });
    expect(() => parseRedisUrl(`rediss://h?ca=${dir}/ca.pem`)).toThrow(/ca file .* cannot be read/);
  });

  it.each([
    ['http://h', /not redis/],
    ['redis://a,b', /redis-sentinel:\/\/ or redis-cluster/],
    ['redis-sentinel://a', /name of the master/],
    ['redis://h/x', /database must be a number/],
    ['redis://:topsecret@h:port', /not a host:port/],
  ])('refuses %s without telling a password', (url, message) => {
    expect(() => parseRedisUrl(url)).toThrow(message);
    expect(() => parseRedisUrl(url)).not.toThrow(/topsecret/);
  });
});
