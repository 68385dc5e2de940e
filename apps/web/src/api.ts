import type { ErrorResponse } from '@perfleet/api-contract';

/** An error answer of the API, or of the way to it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
}

export async function get<T>(path: string, query: Record<string, string>, signal?: AbortSignal): Promise<T> {
  return answer<T>(fetch(`/api/v1/${path}?${new URLSearchParams(query)}`, { signal }));
}

export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return answer<T>(
    fetch(`/api/v1/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal,
    }),
  );
}

export async function del<T>(path: string): Promise<T> {
  return answer<T>(fetch(`/api/v1/${path}`, { method: 'DELETE' }));
}

async function answer<T>(pending: Promise<Response>): Promise<T> {
  let response: Response;
  try {
    response = await pending;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError('Perfleet does not answer; is it still running?', { cause });
  }
  if (response.ok) return (await response.json()) as T;
  const body = (await response.json().catch(() => null)) as ErrorResponse | null;
  throw new ApiError(body?.error?.message ?? `${response.status} ${response.statusText}`);
}
