import type { ErrorResponse } from '@perfleet/api-contract';
import { currentToken, refuse } from './access.ts';

/** An error answer of the API, or of the way to it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
}

export async function get<T>(path: string, query: Record<string, string>, signal?: AbortSignal): Promise<T> {
  return json<T>(await call(`${path}?${new URLSearchParams(query)}`, { signal }));
}

export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  return json<T>(await call(path, { method: 'POST', headers, body: JSON.stringify(body), signal }));
}

export async function del<T>(path: string): Promise<T> {
  return json<T>(await call(path, { method: 'DELETE' }));
}

/** Saves an answer as a file: a link could not carry the token. */
export async function download(path: string, query: Record<string, string>): Promise<void> {
  const response = await call(`${path}?${new URLSearchParams(query)}`, {});
  const name = /filename="([^"]+)"/.exec(response.headers.get('content-disposition') ?? '')?.[1] ?? path;
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser has taken the address over by the next task.
  setTimeout(() => URL.revokeObjectURL(address));
}

const json = <T>(response: Response) => response.json() as Promise<T>;

/** @throws ApiError for everything but success */
async function call(path: string, init: RequestInit & { headers?: Record<string, string> }): Promise<Response> {
  const token = currentToken();
  const headers = { ...init.headers, ...(token === '' ? {} : { authorization: `Bearer ${token}` }) };
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}`, { ...init, headers });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError('Perfleet does not answer; is it still running?', { cause });
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => null)) as ErrorResponse | null;
  const message = body?.error?.message ?? `${response.status} ${response.statusText}`;
  if (response.status === 401) refuse(token, message);
  throw new ApiError(message);
}
