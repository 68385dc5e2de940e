import type { Scope, TokenVerifier } from '@perfleet/tokens';
import { decide } from '@perfleet/tokens';
import { generateKeyPair } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eitherVerifier } from './either.ts';
import { TestProvider } from './provider.fixture.ts';
import { parseRules } from './rules.ts';
import { createOidcVerifier } from './verifier.ts';

let provider: TestProvider;
let now: number;
const rules = parseRules({
  rules: [
    { claim: 'groups', values: ['sre'], scopes: ['admin'] },
    { claim: 'groups', values: ['devs'], scopes: ['read', 'sql'], labelsFrom: { namespace: 'teams' } },
  ],
});
const verifier = () =>
  createOidcVerifier({ issuer: provider.issuer, audience: 'perfleet', rules, cooldownMs: 0, now: () => now });

beforeEach(async () => {
  now = Date.now();
  provider = new TestProvider();
  await provider.start();
});
afterEach(() => provider.stop());

const ask = (token: string, scope: Scope = 'read', by: TokenVerifier = verifier()) =>
  decide(by, `Bearer ${token}`, scope);

describe('a token of the provider', () => {
  it('opens what the first rule that matches says, for its person', async () => {
    const token = await provider.sign({ groups: ['devs', 'x'], teams: ['shop', 'cart'], preferred_username: 'eve' });
    expect(await ask(token)).toMatchObject({
      ok: true,
      token: { name: 'eve', scopes: ['read', 'sql'], labels: { namespace: ['shop', 'cart'] } },
    });
    expect(await ask(token, 'admin')).toMatchObject({ ok: false, status: 403 });
    expect(await ask(await provider.sign({ groups: 'sre' }), 'ingest')).toMatchObject({
      ok: true,
      token: { labels: {} },
    });
    expect(await ask(await provider.sign({ groups: 'sre' }), 'node')).toMatchObject({ ok: false, status: 403 });
  });

  it('opens nothing where no rule matches, and where the claim that limits it holds nothing', async () => {
    expect(await ask(await provider.sign({ groups: ['guests'] }))).toMatchObject({
      status: 403,
      reason: expect.stringMatching(/u1 of http.* may do nothing here: no rule matches its claims groups/),
    });
    expect(await ask(await provider.sign({ groups: ['devs'] }))).toMatchObject({
      status: 403,
      reason: expect.stringContaining('the claim teams, which limits the label namespace, holds nothing'),
    });
    const many = Array.from({ length: 17 }, (_, i) => `t${i}`);
    expect(await ask(await provider.sign({ groups: ['devs'], teams: many }))).toMatchObject({ status: 403 });
  });

  it.each(['RS256', 'PS256', 'ES384', 'EdDSA'])('may be signed by %s', async (algorithm) => {
    await provider.rotate(algorithm);
    expect(await ask(await provider.sign({ groups: 'sre' }))).toMatchObject({ ok: true });
  });
});

describe('refused is', () => {
  const seconds = (at: number) => Math.floor(now / 1000) + at;
  it.each([
    ['an expired token', { exp: -31 }, /expired: get a new one/],
    ['one that is not valid yet', { nbf: 60 }, /not valid yet; clocks may differ by 30/],
  ])('%s', async (_, times, why) => {
    const claims = Object.fromEntries(Object.entries(times).map(([name, at]) => [name, seconds(at)]));
    expect(await ask(await provider.sign({ groups: 'sre', ...claims }))).toMatchObject({
      status: 401,
      reason: expect.stringMatching(why),
    });
    // Within what clocks may differ by.
    const near = Object.fromEntries(Object.entries(times).map(([name, at]) => [name, seconds(Math.sign(at) * 20)]));
    expect(await ask(await provider.sign({ groups: 'sre', ...near }))).toMatchObject({ ok: true });
  });

  it.each([
    ['for somebody else', { aud: 'other' }, /for "other", not for perfleet; ask the provider for that audience/],
    ['for nobody', { aud: undefined }, /aud/],
    ['of another issuer', { iss: 'https://evil.example' }, /of "https:\/\/evil.example", not of/],
    ['without an end', { exp: undefined }, /exp/],
    ['of nobody', { sub: undefined }, /sub/],
  ])('a token %s', async (_, claims, why) => {
    const token = await provider.sign({ groups: 'sre', ...claims } as never);
    expect(await ask(token)).toMatchObject({ ok: false, status: 401, reason: expect.stringMatching(why) });
  });

  it('a token that is not signed by the provider', async () => {
    const stranger = await generateKeyPair('ES256');
    const signed = await provider.sign({ groups: 'sre' }, {}, stranger.privateKey);
    expect(await ask(signed)).toMatchObject({ status: 401, reason: 'the signature of the token is wrong' });
    const unknown = await provider.sign({ groups: 'sre' }, { kid: 'x' }, stranger.privateKey);
    expect(await ask(unknown)).toMatchObject({ status: 401, reason: expect.stringContaining('does not publish') });
  });

  it('a token without a signature, and one that is signed with what everybody knows', async () => {
    const [, payload] = (await provider.sign({ groups: 'sre' })).split('.');
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
    expect(await ask(none)).toMatchObject({
      status: 401,
      reason: expect.stringContaining('not signed by an algorithm of'),
    });
    const shared = await provider.sign({ groups: 'sre' }, { alg: 'HS256' }, new TextEncoder().encode('x'.repeat(32)));
    expect(await ask(shared)).toMatchObject({
      status: 401,
      reason: expect.stringContaining('not signed by an algorithm of'),
    });
    for (const text of ['a.b.c', 'x', 'e30.e30.e30', `${'x'.repeat(20_000)}.y.z`])
      expect(await ask(text)).toMatchObject({ status: 401 });
  });
});

describe('the keys of the provider', () => {
  it('are read once, and again for a token of a new one', async () => {
    const by = verifier();
    for (let i = 0; i < 5; i++)
      expect(await ask(await provider.sign({ groups: 'sre' }), 'read', by)).toMatchObject({ ok: true });
    expect(provider.asked).toBe(1);
    const old = await provider.sign({ groups: 'sre' });
    await provider.rotate();
    expect(await ask(await provider.sign({ groups: 'sre' }), 'read', by)).toMatchObject({ ok: true });
    expect(provider.asked).toBe(2);
    expect(await ask(old, 'read', by)).toMatchObject({ ok: false, status: 401 });
  });

  it('are not read again for each guess', async () => {
    const { issuer } = provider;
    const by = createOidcVerifier({ issuer, audience: 'perfleet', rules });
    await ask(await provider.sign({ groups: 'sre' }), 'read', by);
    for (let i = 0; i < 5; i++) await ask(await provider.sign({ groups: 'sre' }, { kid: `guess-${i}` }), 'read', by);
    expect(provider.asked).toBe(1);
  });

  it('that cannot be had are no refusal, and the provider is left alone for a while', async () => {
    const by = verifier();
    const token = await provider.sign({ groups: 'sre' });
    const { document } = provider;
    provider.document = { ...document, issuer: 'https://other.example' };
    const away = {
      ok: false,
      status: 503,
      reason: expect.stringMatching(/calls itself https:\/\/other.example.*check PERFLEET_OIDC_ISSUER/),
    };
    expect(await ask(token, 'read', by)).toMatchObject(away);
    provider.document = document;
    expect(await ask(token, 'read', by)).toMatchObject(away);
    expect(provider.asked).toBe(0);
    now += 5000;
    expect(await ask(token, 'read', by)).toMatchObject({ ok: true });
  });

  it('of nobody who listens are no refusal either', async () => {
    const token = await provider.sign({ groups: 'sre' });
    const by = createOidcVerifier({ issuer: 'http://127.0.0.1:1/realm', audience: 'perfleet', rules });
    expect(await ask(token, 'read', by)).toMatchObject({
      status: 503,
      reason: expect.stringContaining('does not answer'),
    });
  });
});

it('own tokens are asked for where they always were', async () => {
  const own: TokenVerifier = { verify: async () => ({ ok: false, status: 401, reason: 'own' }) };
  const either = eitherVerifier(own, verifier());
  for (const text of [`pfl_${'x'.repeat(43)}`, 'x', ''])
    expect(await ask(text, 'read', either)).toMatchObject({ reason: 'own' });
  expect(await ask(await provider.sign({ groups: 'sre' }), 'read', either)).toMatchObject({ ok: true });
});
