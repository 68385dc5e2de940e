import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { oidcOf, signInOf } from './oidc.ts';
import { loadSettings } from './settings.ts';

const dir = mkdtempSync(join(tmpdir(), 'perfleet-oidc-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const file = join(dir, 'rules.json');
const all = {
  PERFLEET_AUTH: 'tokens',
  PERFLEET_OIDC_ISSUER: 'https://id.example/realm',
  PERFLEET_OIDC_AUDIENCE: 'perfleet',
  PERFLEET_OIDC_RULES_FILE: file,
};
const of = (env: Record<string, string>) => oidcOf(loadSettings({}, env));

it('needs issuer, audience and rules together, and tokens that are asked for', () => {
  writeFileSync(file, '{"rules": [{"claim": "groups", "values": ["a"], "scopes": ["read"]}]}');
  expect(of({})).toBeNull();
  expect(of(all)).toMatchObject({ issuer: 'https://id.example/realm', audience: 'perfleet' });
  for (const name of ['PERFLEET_OIDC_ISSUER', 'PERFLEET_OIDC_AUDIENCE', 'PERFLEET_OIDC_RULES_FILE', 'PERFLEET_AUTH'])
    expect(() => of({ ...all, [name]: '' })).toThrow(name);
});

it('wants keys over https, but on loopback', () => {
  expect(of({ ...all, PERFLEET_OIDC_ISSUER: 'http://127.0.0.1:8080/x' })).not.toBeNull();
  for (const issuer of ['http://id.example', 'http://127.0.0.1.example/x', 'http://localhost.example'])
    expect(() => of({ ...all, PERFLEET_OIDC_ISSUER: issuer })).toThrow(/PERFLEET_OIDC_ISSUER=.*must be https/);
});

it('names the file whose rules are wrong', () => {
  writeFileSync(file, '{"rules": [{"claim": "groups", "values": ["a"], "scopes": ["root"]}]}');
  expect(() => of(all)).toThrow(/PERFLEET_OIDC_RULES_FILE=.*rules\.json: rules\.0\.scopes/);
  writeFileSync(file, '{');
  expect(() => of(all)).toThrow(/rules\.json: .*JSON/);
});

it('lets people sign in on the page where the page is a client of the provider', () => {
  const of = (env: Record<string, string>) => signInOf(loadSettings({}, env));
  expect(of(all)).toBeNull();
  expect(of({ ...all, PERFLEET_OIDC_CLIENT_ID: 'page' })).not.toBeNull();
  expect(() => of({ PERFLEET_OIDC_CLIENT_ID: 'page' })).toThrow(/PERFLEET_OIDC_ISSUER is not set/);
  for (const scopes of ['profile', 'openid "x"'])
    expect(() => of({ ...all, PERFLEET_OIDC_SCOPES: scopes })).toThrow(/PERFLEET_OIDC_SCOPES=/);
});
