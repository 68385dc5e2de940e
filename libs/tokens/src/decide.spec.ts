import { describe, expect, it } from 'vitest';
import { authorizationOf, decide } from './decide.ts';
import { checkLabels, formatLabels, parseLabels } from './labels.ts';
import { SCOPES, type Scope } from './scopes.ts';
import type { TokenVerifier } from './verify.ts';

const token = `pfl_${'x'.repeat(43)}`;
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });

describe('credentials', () => {
  it.each<[string, Record<string, string>, string | undefined, string | undefined]>([
    ['a bearer token', { authorization: `Bearer ${token}` }, undefined, `Bearer ${token}`],
    ['the password of Basic', basic(`grafana:${token}`), undefined, `Bearer ${token}`],
    ['a password with a colon, whole', basic('user:a:b'), undefined, 'Bearer a:b'],
    ['Basic that is no base64', { authorization: 'Basic ä' }, undefined, 'Basic ä'],
    ['ClickHouse’s key', { 'x-clickhouse-user': 'x', 'x-clickhouse-key': token }, undefined, `Bearer ${token}`],
    ['the address', {}, token, `Bearer ${token}`],
    ['the header before the address', basic(`x:${token}`), 'other', `Bearer ${token}`],
    ['nothing', {}, undefined, undefined],
    ['an empty key', { 'x-clickhouse-key': '' }, '', undefined],
  ])('are found: %s', (_, headers, password, expected) => expect(authorizationOf(headers, password)).toBe(expected));
});

describe('a decision', () => {
  const refusing = (status: 401 | 403, reason: string): TokenVerifier => ({
    verify: async () => ({ ok: false, status, reason }),
  });

  it('carries the challenge of RFC 6750, without what would break the header', async () => {
    expect(await decide(refusing(401, 'needs one'), undefined, 'read')).toMatchObject({
      challenge: 'Bearer realm="perfleet"',
    });
    expect(await decide(refusing(403, 'a "b"\r\n… c'), 'x', 'sql')).toMatchObject({
      status: 403,
      challenge: `Bearer realm="perfleet", error="insufficient_scope", error_description="a 'b' c", scope="sql"`,
    });
  });

  it('is 503 while nobody can look', async () => {
    const away: TokenVerifier = { verify: () => Promise.reject(new Error('away')) };
    expect(await decide(away, 'x', 'read')).toMatchObject({ ok: false, status: 503, challenge: '' });
  });
});

describe('labels', () => {
  it('are read from pairs, a value more for a label that comes again', () => {
    const labels = parseLabels(['namespace=shop', 'namespace=cart', 'k8s.pod.name=a=b', 'namespace=shop']);
    expect(labels).toEqual({ namespace: ['shop', 'cart'], 'k8s.pod.name': ['a=b'] });
    expect(formatLabels(labels)).toBe('namespace=shop|cart, k8s.pod.name=a=b');
    for (const bad of ['', 'namespace', 'namespace=', '=x', 'a b=c', '1a=b'])
      expect(() => parseLabels([bad])).toThrow(/expected NAME=VALUE/);
  });

  it('go with reading and SQL only: nothing else could keep them', () => {
    const labels = { namespace: ['shop'] };
    checkLabels(labels, ['read', 'sql']);
    checkLabels({}, [...SCOPES]);
    for (const scope of SCOPES.filter((s) => s !== 'read' && s !== 'sql'))
      expect(() => checkLabels(labels, ['read', scope] as Scope[])).toThrow(new RegExp(`leave out ${scope}`));
    expect(() => checkLabels({ a: Array.from({ length: 17 }, String) }, ['read'])).toThrow(/at most/);
  });
});
