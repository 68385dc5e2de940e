import { createApiClient, dataOf, type operations } from '@perfleet/api-contract';
import { currentToken, refuse } from './sign-in/access.ts';

export { dataOf } from '@perfleet/api-contract';

/** The API of the server that the page came from. */
export const api = createApiClient({
  baseUrl: '/',
  fetch: (request) => fetch(request),
  token: currentToken,
  unreachable: 'Perfleet does not answer; is it still running?',
  onRefused: refuse,
});

type ExportQuery = NonNullable<operations['export']['parameters']['query']>;

/** Saves the selection as a file: a link could not carry the token. */
export async function saveExport(query: ExportQuery): Promise<void> {
  const call = api.GET('/api/v1/export', { params: { query }, parseAs: 'blob' });
  const data = await dataOf(call);
  const { response } = await call;
  const name = /filename="([^"]+)"/.exec(response.headers.get('content-disposition') ?? '')?.[1] ?? 'profile';
  const address = URL.createObjectURL(data);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser has taken the address over by the next task.
  setTimeout(() => URL.revokeObjectURL(address));
}
