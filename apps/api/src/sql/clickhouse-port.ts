import { ClickHouseError, serveClickhouse, type ClickhouseHttp, type HttpCaller } from '@perfleet/clickhouse';
import { ARRIVAL_MS, type Origins, type TlsIdentity } from '@perfleet/http-guard';
import type { Logger } from '@perfleet/observability';
import type { Access } from '../access/access-guard.ts';
import { callerOfToken, type Caller } from '../access/caller.ts';
import { ApiError } from '../http/api-error.ts';
import { audited } from './audit.ts';
import { DATABASE } from './catalog.ts';
import type { SqlService } from './sql-service.ts';

/** A statement and its parameters; nothing is inserted here. */
const BODY_LIMIT = 1 << 20;

/** ClickHouse's numbers and names for refusals that are the API's own, by their code. */
const OWN: Readonly<Record<string, readonly [number, string]>> = {
  'bad-request': [497, 'ACCESS_DENIED'],
  limit: [396, 'TOO_MANY_ROWS_OR_BYTES'],
  'rate-limit': [202, 'TOO_MANY_SIMULTANEOUS_QUERIES'],
  aborted: [394, 'QUERY_WAS_CANCELLED'],
};

/**
 * SQL of users on ClickHouse's HTTP protocol, for the clients that people have: the same service, scope, limits and audit as
 * `POST /api/v1/sql`.
 * @throws Error that names the address when it cannot be had
 */
export function serveSql(
  port: number,
  { host, allowedHosts }: Origins,
  { verifier, limiter }: Access,
  sql: SqlService,
  logger: Logger,
  tls: TlsIdentity | null = null,
  arrivalMs = ARRIVAL_MS,
): Promise<ClickhouseHttp> {
  return serveClickhouse({
    host,
    port,
    allowedHosts,
    tls,
    verifier,
    scope: 'sql',
    maxBodyBytes: BODY_LIMIT,
    arrivalMs,
    engine: {
      databases: [DATABASE],
      async raw(request, from) {
        const caller = callerOfHttp(from);
        try {
          const release = limiter.begin(caller.name);
          try {
            const run = () => sql.raw(request, caller);
            return await audited(logger, caller.name, request.sql, run, ({ body }) => ({ bytes: body.byteLength }));
          } finally {
            release();
          }
        } catch (cause) {
          throw toEngineError(cause);
        }
      },
    },
  });
}

function callerOfHttp({ token, address }: HttpCaller): Caller {
  return token ? callerOfToken(token) : { name: address, labels: {} };
}

/** Clients read the number and the name; a refusal of the engine keeps its own. */
function toEngineError(error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  const engine = error.cause instanceof ClickHouseError ? error.cause : undefined;
  const named = /\(([A-Z][A-Z0-9_]{3,})\)/.exec(engine?.message ?? '')?.[1];
  const [number, name] = engine ? [engine.code, named] : (OWN[error.code] ?? OWN['bad-request']!);
  const text = `Code: ${number}. DB::Exception: ${error.message}`;
  const whole = name === undefined || text.includes(`(${name})`) ? text : `${text}. (${name})`;
  return new ClickHouseError(whole, number, { cause: error, status: engine && error.status });
}
