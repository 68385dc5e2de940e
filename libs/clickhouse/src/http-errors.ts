import type { ServerResponse } from 'node:http';
import type { ClickHouseError } from './store.ts';

/** HTTP statuses of ClickHouse's error numbers, as its server answers them. */
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
  202: 429,
  394: 499,
  0: 503,
};
const CLIENT_ERRORS = new Set([
  6, 26, 27, 36, 41, 42, 43, 44, 46, 47, 48, 53, 62, 63, 69, 70, 72, 73, 115, 386, 395, 456,
]);

/** Answers with an error in ClickHouse's form: number in a header, words as text. */
export function fail(response: ServerResponse, error: ClickHouseError): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  response.statusCode = error.status ?? STATUS[error.code] ?? (CLIENT_ERRORS.has(error.code) ? 400 : 500);
  // What is left of the body is not read.
  if (!response.req.complete) response.setHeader('Connection', 'close');
  response.setHeader('X-ClickHouse-Exception-Code', String(error.code));
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
  const text = error.message.startsWith('Code: ')
    ? error.message
    : `Code: ${error.code}. DB::Exception: ${error.message}`;
  response.end(`${text.trimEnd()}\n`);
}
