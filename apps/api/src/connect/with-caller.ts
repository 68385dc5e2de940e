import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { createContextValues, type ContextValues } from '@connectrpc/connect';
import { callerKey } from '../access/limit-messages.ts';
import { callerOf } from '../access/caller.ts';

/** Who sent the request, for its handlers. */
export function withCaller(request: IncomingMessage | Http2ServerRequest): ContextValues {
  return createContextValues().set(callerKey, callerOf(request));
}
