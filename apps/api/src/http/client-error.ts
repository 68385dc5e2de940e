import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorResponse } from '@perfleet/api-contract';
import { securityHeaders } from './web-files.ts';

const ANSWERS: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers-too-large', 'the address and headers of the request are larger than 16 KiB'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'timeout', 'the request did not arrive in time'],
};

/** For Fastify's `clientErrorHandler`: what is no request that can be routed gets the answer that every error gets. */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const malformed = [400, 'bad-request', 'this is not HTTP as this server understands it'] as const;
  const [status, code, message] = ANSWERS[error.code ?? ''] ?? malformed;
  const body = JSON.stringify({ error: { code, message } } satisfies ErrorResponse);
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    ...securityHeaders(),
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  if (socket.writable) socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${body}`);
  socket.destroySoon();
}
