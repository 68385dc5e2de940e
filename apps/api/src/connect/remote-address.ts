import { createContextKey, createContextValues, type ContextValues } from '@connectrpc/connect';

/** Address of the caller, for bounds of each sender. */
export const remoteAddress = createContextKey<string>('', { description: 'remote address' });

export function withRemoteAddress(request: { readonly socket?: { readonly remoteAddress?: string } }): ContextValues {
  return createContextValues().set(remoteAddress, request.socket?.remoteAddress ?? '');
}
