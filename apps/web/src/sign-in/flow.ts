import type { SignInResponse } from '@perfleet/api-contract';
import { api, dataOf } from '../api.ts';
import { currentSession, enter, leave, renewed, renewWith } from './access.ts';

export type Provider = NonNullable<SignInResponse['provider']>;

/** Where the provider sends people back to; registered there. */
export const RETURN_PATH = '/sign-in';
/** What one attempt needs when it comes back, in this tab only and once only. */
const PENDING_KEY = 'perfleet-sign-in';
/** The part of a token's life after which the next one is asked for. */
const RENEW_AFTER = 0.75;
/** The longest time that a browser's timer takes, milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface Pending {
  readonly issuer: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** Path and hash that the person was looking at. */
  readonly back: string;
}

/** Tokens of the provider. `oidc-client.ts` gets them; it is loaded when it is needed. */
export interface Granted {
  readonly token: string;
  readonly idToken: string;
  /** Seconds; undefined = the provider does not say. */
  readonly expiresIn: number | undefined;
  /** undefined = there is nothing to renew with. */
  readonly refreshToken: string | undefined;
}

export async function providerOf(): Promise<SignInResponse> {
  return dataOf(api.GET('/api/v1/sign-in'));
}

/** Leaves the page for the provider's. */
export async function leaveToSignIn(provider: Provider): Promise<void> {
  // Browsers have no `crypto.subtle` there, and the token would travel in the clear.
  if (!isSecureContext)
    throw new Error('signing in needs https: open this page by https, or on the machine itself by localhost');
  const { authorizationRequest } = await import('./oidc-client.ts');
  const { url, ...secrets } = await authorizationRequest(provider, location.origin + RETURN_PATH);
  const back = location.pathname === RETURN_PATH ? '/' : location.pathname + location.hash;
  sessionStorage.setItem(PENDING_KEY, JSON.stringify({ issuer: provider.issuer, ...secrets, back } satisfies Pending));
  location.assign(url);
}

/** The provider sent the person back: whatever comes of it, the address with the code is gone. */
export async function arrive(): Promise<void> {
  const answer = new URL(location.href);
  const pending = takePending();
  history.replaceState(null, '', pending?.back ?? '/');
  try {
    if (pending === null) throw new Error('nobody began to sign in here, or it was long ago: begin again');
    const { provider, error } = await providerOf();
    if (provider === null) throw new Error(error || 'this Perfleet has no provider to sign in at');
    if (provider.issuer !== pending.issuer) throw new Error('the provider was changed meanwhile: begin again');
    const { exchangeCode } = await import('./oidc-client.ts');
    use(provider, await exchangeCode(provider, answer, pending, location.origin + RETURN_PATH), enter);
  } catch (error) {
    leave(`signing in failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Forgets the token; a person's also ends at the provider, where that can be asked for. */
export async function signOut(): Promise<void> {
  const person = currentSession()?.person;
  leave('you are signed out');
  if (!person) return;
  const { provider } = await providerOf().catch(() => ({ provider: null }));
  if (!provider?.endSessionEndpoint) return;
  const url = new URL(provider.endSessionEndpoint);
  url.searchParams.set('client_id', provider.clientId);
  url.searchParams.set('id_token_hint', person.idToken);
  url.searchParams.set('post_logout_redirect_uri', `${location.origin}/`);
  location.assign(url);
}

function takePending(): Pending | null {
  const text = sessionStorage.getItem(PENDING_KEY);
  sessionStorage.removeItem(PENDING_KEY);
  return text === null ? null : (JSON.parse(text) as Pending);
}

let timer: ReturnType<typeof setTimeout> | undefined;

/** Takes tokens up, and sees to the next ones. */
function use(
  provider: Provider,
  granted: Granted,
  take: (session: { token: string; person: { idToken: string } }) => void,
) {
  const { token, idToken, expiresIn, refreshToken } = granted;
  take({ token, person: { idToken } });
  clearTimeout(timer);
  if (refreshToken === undefined) return;
  let begun: Promise<void> | null = null;
  // One at a time: providers take a refresh token once.
  const renew = () => (begun ??= renewOnce(provider, { ...granted, refreshToken }));
  renewWith(renew);
  if (expiresIn === undefined) return;
  timer = setTimeout(
    () => {
      // What fails now is told when the API refuses the token: until then it is good.
      if (currentSession()?.token === token) renew().catch(() => undefined);
    },
    Math.min(MAX_TIMER_MS, expiresIn * 1000 * RENEW_AFTER),
  );
}

async function renewOnce(provider: Provider, before: Granted & { readonly refreshToken: string }): Promise<void> {
  const { refresh } = await import('./oidc-client.ts');
  const next = await refresh(provider, before);
  // Somebody signed out meanwhile.
  if (currentSession()?.token === before.token) use(provider, next, renewed);
}
