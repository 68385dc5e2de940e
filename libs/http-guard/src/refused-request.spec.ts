import { describe, expect, it } from 'vitest';
import { refusedRequest } from './refused-request.ts';

const loopback = { host: '127.0.0.1', allowedHosts: ['perfleet.example.com'] };
const open = { host: '0.0.0.0', allowedHosts: [] };
const refused = (headers: Record<string, string>, origins: Parameters<typeof refusedRequest>[1] = loopback) =>
  refusedRequest(headers, origins) !== null;

describe('on loopback', () => {
  it.each(['localhost:4700', '127.0.0.1:4700', '[::1]:4700', 'LOCALHOST', 'localhost.:4700', 'perfleet.example.com'])(
    'takes Host %s',
    (host) => expect(refused({ host })).toBe(false),
  );

  it.each([
    'evil.example:4700',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '',
    'a@127.0.0.1:4700',
    '192.0.2.1:4700',
  ])('refuses Host %j: a rebound name', (host) => expect(refused({ host })).toBe(true));
});

describe('on every address', () => {
  it('takes any Host, as behind an ingress', () => expect(refused({ host: 'profiles.corp:80' }, open)).toBe(false));

  it.each<[string, Record<string, string>, boolean]>([
    ['a page of its own', { host: 'a.example', origin: 'https://a.example' }, false],
    ['a page of another site', { host: 'a.example', origin: 'https://b.example' }, true],
    ['a page on another port', { host: 'a.example:4700', origin: 'http://a.example:3000' }, true],
    ['a sandboxed page or a file', { host: 'a.example', origin: 'null' }, true],
    ['nonsense', { host: 'a.example', origin: 'x' }, true],
    [
      'an image of another site',
      { host: 'a.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
      true,
    ],
    [
      'a link from another site',
      { host: 'a.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
      false,
    ],
    ['a program', { host: 'a.example' }, false],
  ])('%s', (_, headers, expected) => expect(refused(headers, open)).toBe(expected));
});
