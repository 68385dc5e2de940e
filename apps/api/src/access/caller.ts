import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { tokenId, type LabelLimits, type TokenRecord } from '@perfleet/tokens';

/** Who sent a request. */
export interface Caller {
  /** Of limits and logs: `token 3fa94c01abcd (grafana)`, or the address where nobody is asked. */
  readonly name: string;
  /** What its reading is limited to; {} = nothing. */
  readonly labels: LabelLimits;
}

type RawRequest = IncomingMessage | Http2ServerRequest;

/** By the raw request, since Connect's handlers get nothing else of Fastify. */
const callers = new WeakMap<RawRequest, Caller>();

export function setCaller(request: RawRequest, caller: Caller): void {
  callers.set(request, caller);
}

export function callerOf(request: RawRequest): Caller {
  return callers.get(request) ?? { name: request.socket?.remoteAddress ?? '', labels: {} };
}

export function callerOfToken(record: TokenRecord): Caller {
  return { name: `token ${tokenId(record)} (${record.name})`, labels: record.labels };
}
