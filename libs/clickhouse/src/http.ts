import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { refusedRequest, type Origins } from '@perfleet/http-guard';
import { authorizationOf, decide, type TokenVerifier } from '@perfleet/tokens';
import { ClickHouseError, toClickHouseError, type RawRequest, type Store } from './store.ts';

const compress = promisify(gzip);
const decompress = promisify(gunzip);

export interface ClickhouseHttpOptions {
  readonly store: Store;
  /** Loopback by default: the engine in this process has no access control. */
  readonly host?: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly maxBodyBytes?: number;
  /**
   * Asks for tokens, as the password of any user. Their scope must be `admin`: this is the engine itself, which writes, and reads
   * files of its machine. Without it nobody is asked.
   */
  readonly verifier?: TokenVerifier;
  /** Host names besides addresses and localhost by which clients may call. */
  readonly allowedHosts?: readonly string[];
}

export interface ClickhouseHttp {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Parameters of the URL that are neither settings nor of use here. */
const NOT_SETTINGS = new Set([
  'query',
  'database',
  'default_format',
  'query_id',
  'session_id',
  'session_timeout',
  'session_check',
  'user',
  'password',
  'quota_key',
  'role',
  'client_protocol_version',
  'compress',
  'decompress',
  'stacktrace',
  'add_http_cors_header',
  'hasSessionId',
]);

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

/**
 * ClickHouse's HTTP protocol (https://clickhouse.com/docs/interfaces/http) in front of a store, so that
 * `@clickhouse/client`, curl and Grafana use the embedded engine as they would a server.
 */
export async function serveClickhouse(options: ClickhouseHttpOptions): Promise<ClickhouseHttp> {
  const { store, host = '127.0.0.1', port, maxBodyBytes = 256 << 20, allowedHosts = [], verifier } = options;
  const server = createServer((request, response) => {
    answer({ store, maxBodyBytes, verifier }, request, response, { host, allowedHosts }).catch((cause) =>
      fail(response, toClickHouseError(cause)),
    );
  });
  server.keepAliveTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === 'EADDRINUSE'
          ? new ClickHouseError(`Port ${port} on ${host} is in use: choose another one.`, 0, { cause })
          : cause,
      ),
    );
    server.listen(port, host, resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    port: bound,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

async function answer(
  { store, maxBodyBytes, verifier }: { store: Store; maxBodyBytes: number; verifier: TokenVerifier | undefined },
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
  if (verifier) await authenticate(verifier, request, response, url.searchParams.get('password'));
  const body = await readBody(request, maxBodyBytes);
  const search = url.searchParams;
  const inUrl = search.get('query');
  if (inUrl === null && body.byteLength === 0) {
    if (request.method === 'POST') throw new ClickHouseError('Code: 62. Empty query.', 62);
    return void response.end('Ok.\n');
  }
  const aborted = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) aborted.abort(new Error('the client went away'));
  });
  const database = search.get('database') ?? header(request, 'x-clickhouse-database');
  if (database && database !== 'default' && store.kind === 'embedded') {
    throw new ClickHouseError(
      `Code: 81. DB::Exception: The embedded engine has the database \`default\` only, not ${database}: write database.table instead. (UNKNOWN_DATABASE)`,
      81,
    );
  }
  const queryId = search.get('query_id') ?? randomUUID();
  const settings: Record<string, string> = {};
  const params: Record<string, string> = {};
  for (const [name, value] of search) {
    if (name.startsWith('param_')) params[name.slice('param_'.length)] = value;
    else if (!NOT_SETTINGS.has(name)) settings[name] = value;
  }
  if (request.method !== 'POST') await refuseWrites(inUrl ?? '');
  const raw: RawRequest = {
    sql: inUrl ?? body.toString('utf8'),
    ...(inUrl !== null && body.byteLength > 0 ? { body } : {}),
    ...insertInBody(inUrl, body),
    format: search.get('default_format') ?? header(request, 'x-clickhouse-format') ?? 'TabSeparated',
    params,
    settings,
    abortSignal: aborted.signal,
  };
  const result = await store.raw(raw);
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
  const wanted =
    /\bgzip\b/.test(header(request, 'accept-encoding') ?? '') && settings['enable_http_compression'] === '1';
  if (wanted) response.setHeader('Content-Encoding', 'gzip');
  response.end(wanted ? await compress(result.body) : result.body);
}

/** @throws ClickHouseError 194 or 516 (HTTP 401), 497 (403), or 0 (503) */
async function authenticate(
  verifier: TokenVerifier,
  request: IncomingMessage,
  response: ServerResponse,
  password: string | null,
): Promise<void> {
  const authorization = authorizationOf(request.headers, password);
  const decision = await decide(verifier, authorization, 'admin');
  if (decision.ok) return;
  const { status, reason, challenge } = decision;
  if (challenge !== '') response.setHeader('WWW-Authenticate', challenge);
  const code = { 401: authorization === undefined ? 194 : 516, 403: 497, 503: 0 }[status];
  const hint = status === 401 ? '; send one as the password' : '';
  throw new ClickHouseError(`Code: ${code}. DB::Exception: ${reason}${hint}.`, code);
}

/** An INSERT whose statement and binary data share the body: the statement ends at the line break after its format. */
function insertInBody(inUrl: string | null, body: Buffer): { sql?: string; body?: Buffer } {
  if (inUrl !== null) return {};
  const head = body.subarray(0, 64 << 10).toString('latin1');
  const match = /^\s*INSERT\s+INTO\b[\s\S]*?\bFORMAT\s+\w+[^\S\n]*;?(?:\n|$)/i.exec(head);
  if (!match) return {};
  return { sql: match[0], body: body.subarray(match[0].length) };
}

/** As ClickHouse does: GET reads only, so that a link cannot change anything. */
async function refuseWrites(sql: string): Promise<void> {
  if (
    /^\s*(?:\/\*[\s\S]*?\*\/\s*)*(?:INSERT|CREATE|DROP|ALTER|TRUNCATE|RENAME|ATTACH|DETACH|OPTIMIZE|SYSTEM|KILL|DELETE|UPDATE|EXCHANGE|GRANT|REVOKE)\b/i.test(
      sql,
    )
  ) {
    throw new ClickHouseError(
      'Code: 164. DB::Exception: Cannot execute query in readonly mode. For queries that modify data use POST. (READONLY)',
      164,
    );
  }
}

async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.byteLength;
    if (bytes > limit) throw new ClickHouseError(`Code: 307. The body is over ${limit} bytes: send it in parts.`, 307);
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  const encoding = header(request, 'content-encoding');
  if (encoding === undefined || encoding === 'identity') return body;
  if (encoding !== 'gzip')
    throw new ClickHouseError(`Code: 48. Content encoding ${encoding} is not supported: use gzip.`, 48);
  return decompress(body, { maxOutputLength: limit });
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

const STATUS: Record<number, number> = {
  60: 404,
  81: 404,
  279: 404,
  164: 403,
  497: 403,
  194: 401,
  516: 401,
  307: 413,
  501: 501,
  159: 408,
  0: 503,
};
const CLIENT_ERRORS = new Set([
  6, 26, 27, 36, 41, 42, 43, 44, 46, 47, 48, 53, 62, 63, 69, 70, 72, 73, 115, 386, 395, 456,
]);

function fail(response: ServerResponse, error: ClickHouseError): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  response.statusCode = STATUS[error.code] ?? (CLIENT_ERRORS.has(error.code) ? 400 : 500);
  response.setHeader('X-ClickHouse-Exception-Code', String(error.code));
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
  const text = error.message.startsWith('Code: ')
    ? error.message
    : `Code: ${error.code}. DB::Exception: ${error.message}`;
  response.end(`${text.trimEnd()}\n`);
}
