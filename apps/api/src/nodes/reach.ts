import { NodeStateUnavailableError } from '@perfleet/node-state';
import { ApiError } from '../http/api-error.ts';

/** @throws ApiError 503 while the node state store is away */
export async function reachNodeState<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (!(cause instanceof NodeStateUnavailableError)) throw cause;
    const message = `the node state store does not answer: ${cause.message}`;
    throw new ApiError(503, 'node-state-unavailable', message, undefined, { cause });
  }
}
