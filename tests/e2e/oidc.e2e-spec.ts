import { createOidcVerifier, eitherVerifier, parseRules } from '@perfleet/oidc';
import { createTokenVerifier } from '@perfleet/tokens';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestProvider } from '../../libs/oidc/src/provider.fixture.ts';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';

const provider = new TestProvider();
let pipeline: Pipeline;
beforeAll(async () => {
  await provider.start();
  const rules = parseRules({
    rules: [
      { claim: 'groups', values: ['sre'], scopes: ['admin'] },
      { claim: 'groups', values: ['devs'], scopes: ['read', 'sql'], labelsFrom: { namespace: 'teams' } },
    ],
  });
  const own = createTokenVerifier({ store: { find: async () => null } });
  const { issuer } = provider;
  const verifier = eitherVerifier(own, createOidcVerifier({ issuer, audience: 'perfleet', rules }));
  pipeline = await startPipeline({ auth: 'tokens', verifier, clickhousePort: 0 });
});
afterAll(async () => {
  await pipeline?.stop();
  await provider.stop();
});

const get = async (path: string, token: string) => {
  const response = await fetch(`${pipeline.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  return { status: response.status, text: await response.text(), challenge: response.headers.get('www-authenticate') };
};
const sql = async (query: string, token: string) => {
  const headers = { 'x-clickhouse-user': 'me', 'x-clickhouse-key': token };
  const response = await fetch(pipeline.clickhouseUrl!, { method: 'POST', headers, body: query });
  return { status: response.status, text: await response.text() };
};

it('a JWT opens the API and the SQL port as its claims say, and is told why where it does not', async () => {
  const sre = await provider.sign({ groups: ['sre'] });
  const dev = await provider.sign({ groups: ['devs'], teams: ['shop'] });
  expect((await get('/api/v1/nodes', sre)).status).toBe(200);
  expect(await get('/api/v1/nodes', dev)).toMatchObject({
    status: 403,
    text: expect.stringContaining('sees namespace=shop only'),
  });
  expect((await get('/api/v1/labels', dev)).status).toBe(200);
  expect(await sql('SELECT count() FROM profiles', dev)).toEqual({ status: 200, text: '0\n' });
  expect((await sql('SELECT * FROM nodes', dev)).text).toContain('not allowed for a token with labels');
  expect((await sql('SELECT count() FROM nodes', sre)).status).toBe(200);
  const late = await provider.sign({ groups: ['sre'], exp: Math.floor(Date.now() / 1000) - 60 });
  expect(await get('/api/v1/nodes', late)).toMatchObject({
    status: 401,
    text: expect.stringContaining('expired: get a new one'),
    challenge: expect.stringContaining('error="invalid_token"'),
  });
});
