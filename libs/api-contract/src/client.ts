import createClient, { type Client, type FetchResponse, type Middleware } from 'openapi-fetch';
import type { ErrorResponse, paths } from './gen/api.ts';

/** Calls the API by its OpenAPI document, which types paths, parameters, bodies and answers. */
export type ApiClient = Client<paths>;

/** An error answer of the API, or of the way to it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** Of the answer, e.g. `config-conflict`; "" when nothing answered. */
  readonly code: string;
  /** Into the selector or SQL that was sent, 0-based. */
  readonly position: number | undefined;
  /** HTTP status; 0 when nothing answered. */
  readonly status: number;

  constructor(message: string, of: { code?: string; position?: number; status?: number } = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = of.code ?? '';
    this.position = of.position;
    this.status = of.status ?? 0;
  }
}

export interface ClientOptions {
  /** Where the API answers; `/` = where the page came from. */
  readonly baseUrl: string;
  readonly fetch: (request: Request) => Promise<Response>;
  /** Asked before every call; '' = none. */
  readonly token: () => string;
  /** What to tell when nothing answers. */
  readonly unreachable: string;
  /** Hears of tokens that the API does not take. @param token that of the call, '' = it had none */
  readonly onRefused?: (token: string, reason: string) => void;
}

export function createApiClient({ baseUrl, fetch, token, unreachable, onRefused }: ClientOptions): ApiClient {
  const client = createClient<paths>({ baseUrl, fetch });
  const middleware: Middleware = {
    onRequest({ request }) {
      const text = token();
      if (text !== '') request.headers.set('authorization', `Bearer ${text}`);
    },
    async onResponse({ request, response }) {
      if (response.status !== 401 || !onRefused) return;
      const { message } = errorBody(await response.clone().text(), response);
      onRefused(request.headers.get('authorization')?.replace('Bearer ', '') ?? '', message);
    },
    onError({ error }) {
      if (error instanceof Error && error.name === 'AbortError') return;
      return new ApiError(unreachable, {}, { cause: error });
    },
  };
  client.use(middleware);
  return client;
}

type AnyAnswer = FetchResponse<Record<string | number, unknown>, unknown, `${string}/${string}`>;
/** What the data of a call is, as the document and the call's `parseAs` say. */
type DataOf<T> = T extends { data: infer D } ? Exclude<D, undefined> : never;

/** The data of an answer. @throws ApiError for every status but success, and for an answer that is not the API's */
export async function dataOf<T extends Pick<AnyAnswer, 'response'>>(call: Promise<T>): Promise<DataOf<T>> {
  let answer;
  try {
    answer = (await call) as T & { readonly data?: unknown; readonly error?: unknown };
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new ApiError(`what answers is not Perfleet's API: ${cause.message}`, {}, { cause });
  }
  const { data, error, response } = answer;
  if (response.ok) return data as DataOf<T>;
  const { message, ...rest } = errorBody(typeof error === 'string' ? error : JSON.stringify(error ?? ''), response);
  throw new ApiError(message, { ...rest, status: response.status });
}

/** The API's error, or the text of what stands between (a proxy's, say). */
function errorBody(text: string, { status, statusText }: Response): ErrorResponse['error'] {
  try {
    const body = JSON.parse(text) as Partial<ErrorResponse> | null;
    if (typeof body?.error?.message === 'string') return body.error;
  } catch {
    // Not ours: its text is the message.
  }
  return { code: String(status), message: text.slice(0, 500) || `${status} ${statusText}` };
}
