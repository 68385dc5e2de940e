import type { IncomingMessage } from 'node:http';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { readBody, tooLarge } from './http-body.ts';
import { ClickHouseError, type RawRequest } from './store.ts';

const decompress = promisify(gunzip);

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

/** What a request asks for, in whichever of the protocol's places it said so. */
export interface HttpQuery {
  /** Without the signal. null = neither an address nor a body with a statement: a client that only looks whether somebody answers. */
  readonly raw: RawRequest | null;
  readonly queryId: string;
  readonly database: string | null;
  /** Of the Native format, 0 = none was asked for. */
  readonly revision: number;
  readonly gzip: boolean;
}

/** @throws ClickHouseError when the request is none, is too large, or wants what is not served here */
export async function readQuery(request: IncomingMessage, search: URLSearchParams, limit: number): Promise<HttpQuery> {
  for (const name of ['compress', 'decompress'])
    if (isOn(search.get(name)))
      throw new ClickHouseError(
        `Code: 48. DB::Exception: ${name}=1, compressed blocks of ClickHouse's own form, is not supported: turn compression off in the client (${name}=0), or use HTTP's (enable_http_compression=1 with gzip). (NOT_IMPLEMENTED)`,
        48,
      );
  if (header(request, 'content-type')?.startsWith('multipart/'))
    throw new ClickHouseError(
      'Code: 48. DB::Exception: Forms are not supported: send parameters in the address (param_x) and no external tables. (NOT_IMPLEMENTED)',
      48,
    );
  const body = await decoded(await readBody(request, limit), header(request, 'content-encoding'), limit);
  const inUrl = search.get('query');
  const settings: Record<string, string> = {};
  const params: Record<string, string> = {};
  for (const [name, value] of search) {
    if (name.startsWith('param_')) params[name.slice('param_'.length)] = value;
    else if (!NOT_SETTINGS.has(name)) settings[name] = value;
  }
  const empty = inUrl === null && body.byteLength === 0;
  if (empty && request.method === 'POST') throw new ClickHouseError('Code: 62. Empty query.', 62);
  if (request.method !== 'POST') refuseWrites(inUrl ?? '');
  const accepted = header(request, 'accept-encoding') ?? '';
  return {
    raw: empty
      ? null
      : {
          sql: inUrl ?? body.toString('utf8'),
          ...(inUrl !== null && body.byteLength > 0 ? { body } : {}),
          ...insertInBody(inUrl, body),
          format: search.get('default_format') ?? header(request, 'x-clickhouse-format') ?? 'TabSeparated',
          params,
          settings,
        },
    queryId: search.get('query_id') || randomUUID(),
    database: search.get('database') ?? header(request, 'x-clickhouse-database') ?? null,
    revision: Number(search.get('client_protocol_version')) || 0,
    gzip: /\bgzip\b/.test(accepted) && isOn(settings['enable_http_compression'] ?? null),
  };
}

const isOn = (value: string | null) => value === '1' || value === 'true';

/** An INSERT whose statement and binary data share the body: the statement ends at the line break after its format. */
function insertInBody(inUrl: string | null, body: Buffer): { sql?: string; body?: Buffer } {
  if (inUrl !== null) return {};
  const head = body.subarray(0, 64 << 10).toString('latin1');
  const match = /^\s*INSERT\s+INTO\b[\s\S]*?\bFORMAT\s+\w+[^\S\n]*;?(?:\n|$)/i.exec(head);
  if (!match) return {};
  return { sql: match[0], body: body.subarray(match[0].length) };
}

/** As ClickHouse does: GET reads only, so that a link cannot change anything. */
function refuseWrites(sql: string): void {
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

async function decoded(body: Buffer, encoding: string | undefined, limit: number): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity') return body;
  if (encoding !== 'gzip')
    throw new ClickHouseError(`Code: 48. Content encoding ${encoding} is not supported: use gzip.`, 48);
  try {
    return await decompress(body, { maxOutputLength: limit });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit, cause);
    throw new ClickHouseError('Code: 48. The body is not gzip, as its Content-Encoding says.', 48, { cause });
  }
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
