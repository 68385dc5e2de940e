import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { createClient as createClickhouseClient } from '@clickhouse/client';
import { serveClickhouse, storeEngine, type ClickhouseHttp } from '@perfleet/clickhouse';
import { ProfilesService } from '@perfleet/otlp';
import { tempDir, waitFor } from '@perfleet/testing';
import { createTokenVerifier, issueToken, type LabelLimits, type Scope } from '@perfleet/tokens';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';
import { runPerfleet } from '../support/perfleet.ts';

let pipeline: Pipeline;
let clickhouse: ClickhouseHttp;
let read: string;
let ingest: string;
let admin: string;
let team: string;

const newToken = async (scopes: Scope[], labels: LabelLimits = {}) =>
  (await issueToken(pipeline.nodeState.tokens, { name: scopes.join(), scopes, labels })).token;

beforeAll(async () => {
  pipeline = await startPipeline({ auth: 'tokens' });
  const verifier = createTokenVerifier({ store: pipeline.nodeState.tokens });
  clickhouse = await serveClickhouse({ engine: storeEngine(pipeline.store), scope: 'admin', port: 0, verifier });
  [read, ingest, admin] = [await newToken(['read', 'sql']), await newToken(['ingest']), await newToken(['admin'])];
  team = await newToken(['read'], { namespace: ['shop', 'ca.t'] });
});
afterAll(async () => {
  await clickhouse?.close();
  await pipeline?.stop();
});

const basic = (user: string, password: string) => ({ authorization: `Basic ${btoa(`${user}:${password}`)}` });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** As a Pyroscope SDK sends folded stacks, with a password as it calls it. */
const push = (token: string, namespace: string, text: string) =>
  fetch(`${pipeline.url}/ingest?name=${encodeURIComponent(`web.cpu{namespace=${namespace}}`)}&sampleRate=100`, {
    method: 'POST',
    headers: basic('any', token),
    body: text,
  });

const cli = (token: string, ...args: string[]) =>
  runPerfleet([...args, '--server', pipeline.url], { PERFLEET_TOKEN: token });

describe('a token to send with and one to read with', () => {
  it('do what they are for and nothing else', async () => {
    const pushed = await push(ingest, 'shop', 'main;checkout 30\n');
    expect([pushed.status, await pushed.text()]).toEqual([200, '']);
    expect((await push(ingest, 'bank', 'main;transfer 50\n')).status).toBe(200);
    expect((await push(ingest, 'cat', 'main;meow 7\n')).status).toBe(200);
    const refused = await push(read, 'shop', 'main;checkout 1\n');
    expect([refused.status, await refused.text()]).toEqual([403, expect.stringMatching(/has no scope ingest/)]);

    const stored = async () => {
      const [row] = await pipeline.store.query<{ n: string }>('SELECT sum(stored) AS n FROM deliveries');
      return Number(row?.n) === 3;
    };
    await waitFor(stored, { timeoutMs: 20_000, what: 'what was sent in the store' });
    const top = await cli(read, 'query', '{}');
    expect([top.code, top.err]).toEqual([0, '']);
    expect(top.out).toMatch(/transfer/);
    expect((await cli(read, 'sql', 'SELECT count() FROM profiles')).code).toBe(0);

    const sender = await cli(ingest, 'query', '{}');
    expect([sender.code, sender.out]).toEqual([1, '']);
    expect(sender.err).toMatch(/^perfleet: token [0-9a-f]{12} has no scope read, only ingest\n$/);
    const change = await cli(read, 'config', 'set', 'rateHz=49');
    expect(change.err).toMatch(/has no scope admin/);
  });

  it('are asked for, and the answer says how to pass one', async () => {
    expect((await cli('', 'nodes')).err).toMatch(/this needs a token: .*; pass one with PERFLEET_TOKEN or --token/);
    expect((await cli(`pfl_${'x'.repeat(43)}`, 'nodes')).err).toMatch(/unknown token; it came from PERFLEET_TOKEN/);
    expect((await runPerfleet(['nodes', '--server', pipeline.url, '--token', read])).code).toBe(0);
  });

  it('are taken by a gRPC client in its metadata', async () => {
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${pipeline.otlpGrpcPort}` });
    const client = createClient(ProfilesService, transport);
    await expect(client.export({}, { headers: bearer(read) })).rejects.toThrow(/has no scope ingest/);
    await expect(client.export({})).rejects.toThrow(/needs a token/);
    await expect(client.export({}, { headers: bearer(ingest) })).resolves.toBeDefined();
  });
});

describe('a token with labels', () => {
  const get = async (path: string, token = team) => {
    const answer = await fetch(pipeline.url + path, { headers: bearer(token) });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const functions = async (path: string, token = team) => {
    const { body } = await get(path, token);
    return (body['functions'] as Array<{ function: string }>).map((f) => f.function);
  };

  it.each([
    '',
    '{}',
    'cpu{namespace="bank"}',
    '{namespace=~".*"}',
    '{namespace=~".*)|(?:.*"}',
    '{namespace!="shop"}',
    '{service="web"}',
  ])('sees what is its own of %j, and the rest only with another token', async (selector) => {
    const path = `/api/v1/top?${new URLSearchParams({ query: selector })}`;
    expect((await functions(path)).filter((name) => name !== 'main' && name !== 'checkout')).toEqual([]);
  });

  it('sees its own as anybody would, and texts in labels are texts', async () => {
    expect(await functions('/api/v1/top?query=')).toContain('checkout');
    expect(await functions('/api/v1/top?query=', read)).toEqual(
      expect.arrayContaining(['checkout', 'transfer', 'meow']),
    );
  });

  it.each(['flamegraph', 'series', 'export?format=folded', 'diff?baseQuery={}', 'labels/namespace/values'])(
    'is narrowed in %s',
    async (path) => {
      const answer = await fetch(`${pipeline.url}/api/v1/${path}`, { headers: bearer(team) });
      const text = await answer.text();
      expect(answer.status).toBe(200);
      expect(text).not.toMatch(/transfer|bank|meow/);
      const whole = await (await fetch(`${pipeline.url}/api/v1/${path}`, { headers: bearer(read) })).text();
      expect(whole, 'the other token sees more').not.toBe(text);
    },
  );

  it('is narrowed in Pyroscope’s protocol', async () => {
    const ask = async (method: string, body: object) => {
      const answer = await fetch(`${pipeline.url}/querier.v1.QuerierService/${method}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...basic('grafana', team) },
        body: JSON.stringify(body),
      });
      expect(answer.status).toBe(200);
      return answer.text();
    };
    const profileTypeID = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
    const side = { profileTypeID, labelSelector: '{}' };
    for (const text of [
      await ask('SelectMergeStacktraces', side),
      await ask('SelectMergeProfile', side),
      await ask('Diff', { left: side, right: { ...side, labelSelector: '{namespace="bank"}' } }),
    ])
      expect(text).not.toMatch(/transfer|meow/);
    for (const matchers of [[], ['{}'], ['{namespace="shop"}', '{namespace="bank"}']])
      expect(await ask('LabelValues', { name: 'namespace', matchers })).toBe('{"names":["shop"]}');
    const { flamegraph } = JSON.parse(await ask('SelectMergeStacktraces', side)) as { flamegraph: { names: string[] } };
    expect(flamegraph.names).toContain('checkout');
  });

  it('is refused what cannot be narrowed, with the reason', async () => {
    expect((await get('/api/v1/nodes')).body).toEqual({
      error: {
        code: 'forbidden',
        message: expect.stringMatching(/sees namespace=shop\|ca\.t only, .*cannot be narrowed/),
      },
    });
    const sql = await cli(team, 'sql', 'SELECT 1');
    expect(sql.err).toMatch(/has no scope sql/);
    await expect(newToken(['read', 'admin'], { namespace: ['shop'] })).rejects.toThrow(
      /labels limit the scopes read and sql only/,
    );
  });

  it('sees its own in SQL too', async () => {
    const token = await newToken(['sql'], { namespace: ['bank'] });
    const own = await cli(token, 'sql', 'SELECT DISTINCT namespace FROM profiles', '--format', 'csv');
    expect(own.out.trim().split('\n')).toEqual(['namespace', 'bank']);
    const nodes = await cli(token, 'sql', 'SELECT * FROM nodes');
    expect(nodes.err).toMatch(/table nodes is not allowed for a token with labels; .* profiles, functions/);
  });
});

describe('ClickHouse’s port', () => {
  const ask = (headers: Record<string, string>, more = '') =>
    fetch(`${clickhouse.url}/?query=SELECT%201${more}`, { headers });

  it('takes a token as its clients send passwords', async () => {
    const client = createClickhouseClient({ url: clickhouse.url, username: 'default', password: admin });
    expect(await (await client.query({ query: 'SELECT 1 AS x', format: 'JSONEachRow' })).json()).toEqual([{ x: 1 }]);
    await client.close();
    expect((await ask({ 'x-clickhouse-user': 'default', 'x-clickhouse-key': admin })).status).toBe(200);
    expect((await ask({}, `&user=default&password=${admin}`)).status).toBe(200);
    expect((await ask(bearer(admin))).status).toBe(200);
  });

  it('refuses everybody else, since the engine has no sandbox', async () => {
    const none = await ask({});
    expect([none.status, none.headers.get('x-clickhouse-exception-code')]).toEqual([401, '194']);
    expect(await none.text()).toMatch(/needs a token.*send one as the password/);
    expect((await ask(basic('default', 'secret'))).status).toBe(401);
    expect((await ask(basic('default', read))).status).toBe(403);
    expect((await fetch(`${clickhouse.url}/ping`)).status).toBe(200);
  });
});

describe('a service that other machines reach', () => {
  it.each([
    [['up', '--http-host', '0.0.0.0'], 'PERFLEET_HTTP_HOST=0.0.0.0'],
    [['up', '--otlp-host', '::'], 'PERFLEET_OTLP_HOST=::'],
    [['clickhouse', '--http-host', '0.0.0.0'], 'PERFLEET_HTTP_HOST=0.0.0.0'],
  ])('does not start until somebody says whether it asks for tokens: %j', async (args, why) => {
    const dir = tempDir();
    const { code, out, err } = await runPerfleet([
      ...args,
      '--data',
      dir.path,
      '--http-port',
      '0',
      '--log-level',
      'error',
    ]);
    dir.remove();
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain(`perfleet: ${why} would let other machines in`);
    expect(err).toMatch(/set PERFLEET_AUTH=tokens .* or PERFLEET_AUTH=none/);
  });
});
