import { afterEach, beforeEach, expect, it } from 'vitest';
import { TestProvider } from './provider.fixture.ts';
import { createSignIn } from './sign-in.ts';

let provider: TestProvider;
let now: number;
beforeEach(async () => {
  now = Date.now();
  provider = new TestProvider();
  await provider.start();
});
afterEach(() => provider.stop());

const signIn = (audience = 'page') =>
  createSignIn({ issuer: provider.issuer, audience, clientId: 'page', scope: 'openid' }, () => now);
const register = () =>
  provider.register({ id: 'page', redirectUri: 'https://p.example/sign-in', signedOutUri: 'https://p.example/' });

it('tells where people sign in, and lets the page reach the token endpoint once that is known', async () => {
  register();
  const of = signIn();
  expect(of.reachable()).toEqual([]);
  expect(await of.describe()).toMatchObject({
    error: '',
    provider: { authorizationEndpoint: `${provider.issuer}/authorize`, tokenUse: 'id', issInAnswer: true },
  });
  expect(of.reachable()).toEqual([`${provider.issuer}/token`]);
});

it('says which token opens the API: the ID token is for the client alone', async () => {
  register();
  expect((await signIn('perfleet').describe()).provider?.tokenUse).toBe('access');
});

it('says why nobody can sign in now, and asks again after a while', async () => {
  const of = signIn();
  expect(await of.describe()).toMatchObject({
    provider: null,
    error: expect.stringMatching(/no token_endpoint.*PERFLEET_OIDC_ISSUER/),
  });
  register();
  expect((await of.describe()).provider).toBeNull();
  now += 5000;
  expect((await of.describe()).provider).not.toBeNull();
});

it('keeps what it knows while the provider is away', async () => {
  register();
  const of = signIn();
  await of.describe();
  provider.document = {};
  now += 600_000;
  expect((await of.describe()).error).toContain('does not answer as it should');
  expect(of.reachable()).toEqual([`${provider.issuer}/token`]);
});

it('takes no endpoint that is neither https nor http', async () => {
  register();
  provider.document = { ...provider.document, token_endpoint: 'javascript:alert(1)' };
  expect((await signIn().describe()).error).toContain('token_endpoint');
});
