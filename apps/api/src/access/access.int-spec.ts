import { connect as connectHttp2 } from 'node:http2';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type Store } from '@perfleet/clickhouse';
import { TOPICS, TOPIC_SPECS } from '@perfleet/messages';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { tempDir } from '@perfleet/testing';
import { issueToken, revokeToken, tokenId, type LabelLimits, type Scope } from '@perfleet/tokens';
import { fastify } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApi, type Api } from '../create-api.ts';
import { openApiDocument } from '@perfleet/api-contract/openapi';
import { guardRoutes, type GuardedRoute } from './access-guard.ts';
import { CallLimiter } from './call-limiter.ts';

const dir = tempDir();
const logger = createLogger('access', { level: 'silent' });
let store: Store;
let nodeState: NodeStateStore;
let stream: Stream;
let api: Api;
let url: string;
let grpcPort: number;
let httpPort: number;
let clickhouseUrl: string;
const SECOND = '/api/v1/openapi.json';
type Described = Record<string, { readonly security: ReadonlyArray<{ readonly token: readonly string[] }> }>;
const tokens = {} as Record<'ingest' | 'read' | 'sql' | 'admin' | 'node' | 'team', string>;

const newToken = async (scope: Scope, labels: LabelLimits = {}) =>
  (await issueToken(nodeState.tokens, { name: 'x', scopes: [scope], labels, ...(scope === 'node' && { node: 'n1' }) }))
    .token;
const settings = () => ({ store, nodeState, logger, port: 0, auth: 'tokens' as const });

beforeAll(async () => {
  const webRoot = join(dir.path, 'web');
  mkdirSync(webRoot);
  writeFileSync(join(webRoot, 'index.html'), '<p>the page</p>');
  store = await openStore({ kind: 'embedded', path: join(dir.path, 'clickhouse') });
  nodeState = openSqliteNodeState({ path: join(dir.path, 'nodes.db') });
  stream = await openEmbeddedStream({ path: join(dir.path, 'stream.db'), logger });
  await stream.ensureTopics([{ name: TOPICS.profiles, ...TOPIC_SPECS.profiles }]);
  const ingest = { stream, topicPrefix: '', node: 'api', otlpHost: '127.0.0.1', otlpGrpcPort: 0, otlpHttpPort: 0 };
  api = createApi({ ...settings(), webRoot, ingest, clickhousePort: 0 });
  const started = await api.start();
  url = started.url;
  grpcPort = started.otlpGrpcPort!;
  httpPort = started.otlpHttpPort!;
  clickhouseUrl = started.clickhouseUrl!;
  for (const scope of ['ingest', 'read', 'sql', 'admin', 'node'] as const) tokens[scope] = await newToken(scope);
  tokens.team = await newToken('read', { namespace: ['shop'] });
});
afterAll(async () => {
  await api?.stop();
  await stream?.close();
  await nodeState?.close();
  await store?.close();
  dir.remove();
});

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

function call(route: Pick<GuardedRoute, 'method' | 'url'>, headers: Record<string, string>): Promise<Response> {
  const path = route.url.replace(/:\w+/g, 'x').replace('*', 'x');
  const body = ['GET', 'HEAD', 'DELETE'].includes(route.method) ? {} : { body: '{}' };
  return fetch(`${url}${path}`, {
    method: route.method,
    headers: { ...headers, ...('body' in body ? { 'content-type': 'application/json' } : {}) },
    ...body,
  });
}

/** One of each address: `all` of a protocol would repeat it for methods that exist nowhere. */
const guarded = () =>
  api.routes().filter(({ scope, method }) => scope !== 'public' && ['GET', 'POST', 'PUT', 'DELETE'].includes(method));

describe('every route', () => {
  it('says who may call it; those that everybody may call are these', () => {
    const open = new Set(
      api
        .routes()
        .filter(({ scope }) => scope === 'public')
        .map((r) => r.url),
    );
    expect([...open].sort()).toEqual(['/*', '/api/v1/sign-in', '/livez', '/readyz']);
    expect(guarded().length).toBeGreaterThan(30);
  });

  it('that says nothing cannot be added', async () => {
    const app = fastify();
    guardRoutes(app, { verifier: null, limiter: new CallLimiter() });
    expect(() => app.get('/forgotten', () => 'x')).toThrow(/GET \/forgotten does not say who may call it/);
    await app.close();
  });

  it('refuses callers without a token, and tokens of every other scope', async () => {
    const wrong: string[] = [];
    for (const route of guarded()) {
      const name = `${route.method} ${route.url} (${route.scope})`;
      const none = await call(route, {});
      if (none.status !== 401 || none.headers.get('www-authenticate') !== 'Bearer realm="perfleet"')
        wrong.push(`${name} without: ${none.status}`);
      for (const scope of ['ingest', 'read', 'sql', 'admin', 'node'] as const) {
        const { status } = await call(route, bearer(tokens[scope]));
        const allowed = scope === route.scope || scope === 'admin';
        if (allowed ? [401, 403].includes(status) : status !== 403) wrong.push(`${name} with ${scope}: ${status}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('is what the scopes mean', () => {
    const scopeOf = (method: string, path: string) =>
      api.routes().find((route) => route.method === method && route.url === path)?.scope;
    expect(
      [
        ['GET', '/api/v1/flamegraph'],
        ['GET', '/api/v1/nodes'],
        ['DELETE', '/api/v1/nodes/:id'],
        ['POST', '/api/v1/sql'],
        ['PUT', '/api/v1/config'],
        ['POST', '/api/v1/silences'],
        ['POST', '/api/v1/alerts/:id/acknowledge'],
        ['POST', '/querier.v1.QuerierService/*'],
        ['POST', '/push.v1.PusherService/*'],
        ['POST', '/ingest'],
        ['POST', '/v1development/profiles'],
        ['GET', '/metrics'],
      ].map(([method, path]) => scopeOf(method!, path!)),
    ).toEqual('read read admin sql admin admin admin read ingest ingest ingest read'.split(' '));
  });

  it('is described, all of the REST API, with the scope that it asks for', () => {
    const described = Object.entries(openApiDocument.paths).flatMap(([path, operations]) =>
      Object.entries(operations as unknown as Described).map(
        ([method, { security }]) => `${method.toUpperCase()} ${path}: ${security[0]?.token[0] ?? 'public'}`,
      ),
    );
    const served = api
      .routes()
      // The document's second address is for those who look beside the operations.
      .filter(({ method, url }) => method !== 'HEAD' && /^\/(api|livez|readyz|metrics)/.test(url) && url !== SECOND)
      .map(({ method, url, scope }) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}: ${scope}`);
    expect(served.sort()).toEqual(described.sort());
  });

  it('is told to nobody with labels unless it can be narrowed', async () => {
    const wrong: string[] = [];
    for (const route of guarded().filter(({ scope }) => scope === 'read')) {
      const { status } = await call(route, bearer(tokens.team));
      if ((status === 403) !== (route.limit === undefined)) wrong.push(`${route.method} ${route.url}: ${status}`);
    }
    expect(wrong).toEqual([]);
  });
});

describe('a refusal', () => {
  const labels = (headers: Record<string, string>) => fetch(`${url}/api/v1/labels`, { headers });

  it('says why, as RFC 6750 has it', async () => {
    const unknown = await labels(bearer(`pfl_${'x'.repeat(43)}`));
    expect([unknown.status, await unknown.json()]).toEqual([
      401,
      { error: { code: 'unauthenticated', message: 'unknown token' } },
    ]);
    expect(unknown.headers.get('www-authenticate')).toBe(
      'Bearer realm="perfleet", error="invalid_token", error_description="unknown token"',
    );
    const scope = await labels(bearer(tokens.ingest));
    expect([scope.status, await scope.json()]).toEqual([
      403,
      { error: { code: 'forbidden', message: expect.stringMatching(/has no scope read, only ingest/) } },
    ]);
    expect(scope.headers.get('www-authenticate')).toMatch(/error="insufficient_scope", .*scope="read"$/);
  });

  it('is none while the store of tokens is away: 503', async () => {
    const gone = openSqliteNodeState({ path: join(dir.path, 'gone.db') });
    const other = createApi({ ...settings(), nodeState: gone });
    const started = await other.start();
    await gone.close();
    const answer = await fetch(`${started.url}/api/v1/labels`, { headers: bearer(tokens.read) });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await answer.text()).toMatch(/does not answer/);
    await other.stop();
  });

  it('follows a revocation', async () => {
    const { token, record } = await issueToken(nodeState.tokens, { name: 'x', scopes: ['read'] });
    await revokeToken(nodeState.tokens, tokenId(record));
    expect((await labels(bearer(token))).status).toBe(401);
  });

  it('of Connect has the protocol’s form', async () => {
    const answer = await fetch(`${url}/querier.v1.QuerierService/LabelNames`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect([answer.status, await answer.json()]).toEqual([
      401,
      { code: 'unauthenticated', message: expect.stringMatching(/needs a token/) },
    ]);
  });
});

describe('a token', () => {
  it.each<[string, () => Record<string, string>]>([
    ['bearer', () => bearer(tokens.read)],
    ['the password of Basic', () => ({ authorization: `Basic ${btoa(`grafana:${tokens.read}`)}` })],
  ])('is taken as %s', async (_, headers) => {
    expect((await fetch(`${url}/api/v1/labels`, { headers: headers() })).status).toBe(200);
  });

  it('is not asked for by the page and by probes', async () => {
    for (const path of ['/', '/livez', '/readyz']) expect((await fetch(url + path)).status).toBe(200);
    expect(await (await fetch(url, { headers: { accept: 'text/html' } })).text()).toContain('the page');
  });

  it('is not asked for by /metrics where the setting says so', async () => {
    const other = createApi({ ...settings(), metricsPublic: true });
    const started = await other.start();
    expect((await fetch(`${started.url}/metrics`)).status).toBe(200);
    expect((await fetch(`${started.url}/api/v1/labels`)).status).toBe(401);
    await other.stop();
  });
});

describe('the ports of OTLP', () => {
  const http = (headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${httpPort}/v1development/profiles`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: '{}',
    });

  it('ask over HTTP', async () => {
    const refused = await http({});
    expect([refused.status, await refused.json()]).toEqual([401, { code: 16, message: expect.any(String) }]);
    expect((await http(bearer(tokens.read))).status).toBe(403);
    expect((await http(bearer(tokens.ingest))).status).toBe(200);
  });

  /** An empty request of one message, as any gRPC client frames it. */
  function grpc(headers: Record<string, string>): Promise<string> {
    return new Promise((resolve, reject) => {
      const session = connectHttp2(`http://127.0.0.1:${grpcPort}`);
      session.on('error', reject);
      const request = session.request({
        ':method': 'POST',
        ':path': '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export',
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      let status: unknown;
      const note = (answer: { 'grpc-status'?: unknown }) => (status ??= answer['grpc-status']);
      request.on('response', note).on('trailers', note).on('error', reject).resume();
      request.on('close', () => {
        session.close();
        resolve(String(status));
      });
      request.end(Buffer.alloc(5));
    });
  }

  it('ask over gRPC in the metadata', async () => {
    expect(await grpc({})).toBe('16');
    expect(await grpc(bearer(tokens.read))).toBe('7');
    expect(await grpc(bearer(tokens.ingest))).toBe('0');
  });
});

describe('the port of ClickHouse’s protocol', () => {
  const ask = async (token: string, query = 'SELECT 1') => {
    const headers: Record<string, string> =
      token === '' ? {} : { 'x-clickhouse-user': 'me', 'x-clickhouse-key': token };
    const response = await fetch(clickhouseUrl, { method: 'POST', headers, body: query });
    return { status: response.status, text: await response.text() };
  };

  it('asks for the scope sql', async () => {
    expect(await ask('')).toMatchObject({ status: 401, text: expect.stringContaining('send one as the password') });
    expect(await ask('guess')).toMatchObject({ status: 401 });
    for (const scope of ['read', 'ingest', 'node'] as const) expect((await ask(tokens[scope])).status).toBe(403);
    for (const scope of ['sql', 'admin'] as const)
      expect(await ask(tokens[scope])).toEqual({ status: 200, text: '1\n' });
  });

  it('is the sandbox for admins, too', async () => {
    expect((await ask(tokens.admin, "SELECT file('/etc/hostname')")).text).toContain('function file is not allowed');
    expect((await ask(tokens.admin, 'DROP TABLE samples')).text).toContain('only SELECT');
  });

  it('keeps a token with labels within them', async () => {
    const team = await newToken('sql', { namespace: ['shop'] });
    expect((await ask(team, 'SELECT count() FROM profiles')).text).toBe('0\n');
    expect((await ask(team, 'SELECT * FROM nodes')).text).toContain(
      'table nodes is not allowed for a token with labels',
    );
    expect((await ask(team, 'SHOW TABLES')).text.trim().split('\n')).toEqual([
      'functions',
      'profiles',
      'spans',
      'unresolved_binaries',
    ]);
    expect((await ask(team, "SELECT count() FROM system.columns WHERE table = 'nodes'")).text).toBe('0\n');
  });
});

describe('limits of one caller', () => {
  it('hold for its token, whatever others do', async () => {
    const other = createApi({ ...settings(), callRates: { requestsPerSecond: 1, concurrent: 64 } });
    const started = await other.start();
    const ask = async (token: string) =>
      (await fetch(`${started.url}/api/openapi.json`, { headers: bearer(token) })).status;
    const statuses = await Promise.all(Array.from({ length: 30 }, () => ask(tokens.read)));
    expect(statuses).toContain(429);
    expect(await ask(tokens.admin)).toBe(200);
    await other.stop();
  });
});
