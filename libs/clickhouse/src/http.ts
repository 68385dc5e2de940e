import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { releaseBytes } from '@perfleet/bytes';
import { arrivalWithin, refusedRequest, type Origins, type TlsIdentity } from '@perfleet/http-guard';
import { authorizationOf, decide, type Scope, type TokenRecord, type TokenVerifier } from '@perfleet/tokens';
import { fail } from './http-errors.ts';
import { readQuery } from './http-request.ts';
import { withRevision } from './native-revision.ts';
import { ClickHouseError, toClickHouseError, type RawRequest, type RawResponse, type Store } from './store.ts';

const compress = promisify(gzip);

/** Who sent a statement. */
export interface HttpCaller {
  /** null = nobody is asked. */
  readonly token: TokenRecord | null;
  readonly address: string;
}

/** What answers the statements of the port. */
export interface HttpEngine {
  /** Rejects with ClickHouseError, whose number chooses the HTTP status. */
  raw(request: RawRequest, caller: HttpCaller): Promise<RawResponse>;
  /** Databases that a client may name; left out = whichever. */
  readonly databases?: readonly string[];
}

export interface ClickhouseHttpOptions {
  readonly engine: HttpEngine;
  /** Loopback by default. */
  readonly host?: string;
  /** 0 picks a free one. */
  readonly port?: number;
  /** Path of a socket to listen at instead of a port, for its user alone. What is left there of a process that was killed goes. */
  readonly socket?: string;
  readonly maxBodyBytes?: number;
  /** For a request to arrive whole, so that slow senders cannot hold connections. Default 5 minutes, for large inserts. */
  readonly arrivalMs?: number;
  /** Asks for tokens, as the password of any user. Without it nobody is asked. */
  readonly verifier?: TokenVerifier | null;
  /** Of these tokens. */
  readonly scope: Scope;
  /** Host names besides addresses and localhost by which clients may call. */
  readonly allowedHosts?: readonly string[];
  readonly tls?: TlsIdentity | null;
}

export interface ClickhouseHttp {
  readonly url: string;
  /** 0 where it listens at a socket. */
  readonly port: number;
  /** @param now ends what is being answered, too; else it is waited for */
  close(now?: boolean): Promise<void>;
}

const CONTENT_TYPES: Record<string, string> = {
  json: 'application/json; charset=UTF-8',
  jsoncompact: 'application/json; charset=UTF-8',
  jsonstrings: 'application/json; charset=UTF-8',
  jsoneachrow: 'application/x-ndjson; charset=UTF-8',
  jsoncompacteachrow: 'application/x-ndjson; charset=UTF-8',
  tabseparated: 'text/tab-separated-values; charset=UTF-8',
  tabseparatedwithnames: 'text/tab-separated-values; charset=UTF-8',
  tabseparatedwithnamesandtypes: 'text/tab-separated-values; charset=UTF-8',
  csv: 'text/csv; charset=UTF-8; header=absent',
  csvwithnames: 'text/csv; charset=UTF-8; header=present',
  rowbinary: 'application/octet-stream',
  native: 'application/octet-stream',
};

/** The engine itself: it writes, and reads files of its machine, so that tokens need the scope `admin`. */
export function storeEngine(store: Store): HttpEngine {
  return { raw: (request) => store.raw(request), ...(store.kind === 'embedded' ? { databases: ['default'] } : {}) };
}

/**
 * ClickHouse's HTTP protocol (https://clickhouse.com/docs/interfaces/http) in front of a store or of the API's SQL, so that
 * `@clickhouse/client`, curl, drivers and Grafana use them as they would a server.
 */
export async function serveClickhouse(options: ClickhouseHttpOptions): Promise<ClickhouseHttp> {
  const { host = '127.0.0.1', port = 0, socket, allowedHosts = [], tls = null } = options;
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    answer(options, request, response, { host, allowedHosts }).catch((cause) =>
      fail(response, toClickHouseError(cause)),
    );
  };
  const arrival = arrivalWithin(options.arrivalMs ?? 300_000);
  const secure = tls ? createSecureServer({ ...arrival, cert: tls.cert, key: tls.key }, listener) : null;
  if (secure) tls?.follow?.(secure);
  const server = secure ?? createServer(arrival, listener);
  server.keepAliveTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === 'EADDRINUSE'
          ? new ClickHouseError(`Port ${port} on ${host} is in use: choose another one.`, 0, { cause })
          : cause,
      ),
    );
    if (socket === undefined) server.listen(port, host, resolve);
    else {
      rmSync(socket, { force: true });
      server.listen(socket, resolve);
    }
  });
  if (socket !== undefined) chmodSync(socket, 0o600);
  const bound = socket === undefined ? (server.address() as AddressInfo).port : 0;
  return {
    port: bound,
    url: `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: (now = false) =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if (now) server.closeAllConnections();
        else server.closeIdleConnections();
      }),
  };
}

async function answer(
  { engine, maxBodyBytes = 256 << 20, verifier, scope }: ClickhouseHttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
  origins: Origins,
) {
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.pathname === '/ping' || url.pathname === '/replicas_status') return void response.end('Ok.\n');
  if (url.pathname !== '/') throw new ClickHouseError(`Code: 279. There is no handle ${url.pathname}.`, 279);
  if (!['GET', 'HEAD', 'POST'].includes(request.method ?? ''))
    throw new ClickHouseError('Code: 501. Use GET or POST.', 501);
  const why = refusedRequest(request.headers, origins);
  if (why !== null) throw new ClickHouseError(`Code: 497. ${why}.`, 497);
  const search = url.searchParams;
  const token = verifier ? await authenticate(verifier, scope, request, response, search.get('password')) : null;
  const { raw, queryId, database, revision, gzip: zipped } = await readQuery(request, search, maxBodyBytes);
  if (raw === null) return void response.end('Ok.\n');
  const { databases } = engine;
  if (database && databases && !databases.includes(database)) {
    throw new ClickHouseError(
      `Code: 81. DB::Exception: There is the database \`${databases.join('`, `')}\` only, not ${database}: write database.table instead. (UNKNOWN_DATABASE)`,
      81,
    );
  }
  const aborted = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) aborted.abort(new Error('the client went away'));
  });
  const address = request.socket.remoteAddress ?? '';
  const result = await engine.raw({ ...raw, abortSignal: aborted.signal }, { token, address });
  // Of a statement that was answered nothing is written any more.
  if (raw.body) releaseBytes(raw.body);
  const body = result.format.toLowerCase() === 'native' ? withRevision(result.body, revision) : result.body;
  const summary = JSON.stringify({
    read_rows: '0',
    read_bytes: '0',
    written_rows: '0',
    written_bytes: '0',
    total_rows_to_read: '0',
    result_rows: '0',
    result_bytes: '0',
    elapsed_ns: '0',
  });
  response.setHeader('X-ClickHouse-Query-Id', queryId);
  response.setHeader('X-ClickHouse-Format', result.format);
  response.setHeader('X-ClickHouse-Timezone', 'UTC');
  response.setHeader('X-ClickHouse-Summary', summary);
  response.setHeader('X-ClickHouse-Server-Display-Name', 'perfleet');
  response.setHeader('Content-Type', CONTENT_TYPES[result.format.toLowerCase()] ?? 'application/octet-stream');
  if (zipped) response.setHeader('Content-Encoding', 'gzip');
  response.end(zipped ? await compress(body) : body);
}

/** @throws ClickHouseError 194 or 516 (HTTP 401), 497 (403), or 0 (503) */
async function authenticate(
  verifier: TokenVerifier,
  scope: Scope,
  request: IncomingMessage,
  response: ServerResponse,
  password: string | null,
): Promise<TokenRecord> {
  const authorization = authorizationOf(request.headers, password);
  const decision = await decide(verifier, authorization, scope);
  if (decision.ok) return decision.token;
  const { status, reason, challenge } = decision;
  if (challenge !== '') response.setHeader('WWW-Authenticate', challenge);
  const code = { 401: authorization === undefined ? 194 : 516, 403: 497, 503: 0 }[status];
  const hint = status === 401 ? '; send one as the password' : '';
  throw new ClickHouseError(`Code: ${code}. DB::Exception: ${reason}${hint}.`, code);
}
