import type { ErrorResponse } from '@perfleet/api-contract';

/** Thrown for an error answer; `position` points into the selector or SQL, 0-based. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    message: string,
    readonly position?: number,
    /** Of the answer, e.g. `config-conflict`; "" when nothing answered. */
    readonly code = '',
  ) {
    super(message);
  }
}

let token: string | undefined;

/** The token that every call carries from now on. */
export function useToken(text: string | undefined): void {
  token = text?.trim() || undefined;
}

/** Calls `/api/v1/PATH` of a running api or `perfleet up`. */
export async function callApi<T>(
  server: string,
  path: string,
  query: Record<string, string | undefined> = {},
  body?: unknown,
  method = 'POST',
): Promise<T> {
  const url = new URL(`/api/v1/${path}`, server);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  let response: Response;
  try {
    response = await fetch(url, {
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { method, body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiError(
      `nothing answers at ${server}; start it with \`perfleet up\`, or name it with --server URL (PERFLEET_SERVER)`,
    );
  }
  if (response.ok) {
    const type = response.headers.get('content-type') ?? '';
    return (type.includes('json') ? await response.json() : Buffer.from(await response.arrayBuffer())) as T;
  }
  const text = await response.text();
  let error: ErrorResponse['error'] = {
    code: String(response.status),
    message: text.slice(0, 500) || response.statusText,
  };
  try {
    error = (JSON.parse(text) as ErrorResponse).error ?? error;
  } catch {
    // The body is not ours (a proxy, say): its text is the message.
  }
  const hint =
    response.status !== 401
      ? ''
      : token === undefined
        ? '; pass one with PERFLEET_TOKEN or --token (`perfleet token create` makes one)'
        : '; it came from PERFLEET_TOKEN or --token';
  throw new ApiError(error.message + hint, error.position, error.code);
}

/** The query with a caret below the character an error points at. */
export function withCaret(query: string, error: unknown): never {
  if (error instanceof ApiError && error.position !== undefined && !query.includes('\n'))
    throw new ApiError(`${error.message}\n  ${query}\n  ${' '.repeat(error.position)}^`);
  throw error;
}
