import { ApiError, createApiClient, dataOf, type ApiClient } from '@perfleet/api-contract';

export { ApiError } from '@perfleet/api-contract';

let token = '';

/** The token that every call carries from now on. */
export function useToken(text: string | undefined): void {
  token = text?.trim() ?? '';
}

/** The API of a running `perfleet api` or `perfleet up`. */
export function apiOf(server: string): ApiClient {
  return createApiClient({
    baseUrl: new URL('/', server).href,
    fetch: (request) => fetch(request),
    token: () => token,
    unreachable: `nothing answers at ${server}; start it with \`perfleet up\`, or name it with --server URL (PERFLEET_SERVER)`,
  });
}

/** The data of an answer. @throws ApiError that says, of a token that is refused, where it came from */
export const ask: typeof dataOf = async (call) => {
  try {
    return await dataOf(call);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    const hint =
      token === ''
        ? '; pass one with PERFLEET_TOKEN or --token (`perfleet token create` makes one)'
        : '; it came from PERFLEET_TOKEN or --token';
    throw new ApiError(error.message + hint, error, { cause: error });
  }
};

/** The query with a caret below the character an error points at. */
export function withCaret(query: string, error: unknown): never {
  if (error instanceof ApiError && error.position !== undefined && !query.includes('\n'))
    throw new ApiError(`${error.message}\n  ${query}\n  ${' '.repeat(error.position)}^`);
  throw error;
}
