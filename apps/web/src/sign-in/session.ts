/** Who is signed in. Kept for this tab only: closing it forgets the token. What renews a token is kept in memory alone. */
export interface Session {
  readonly token: string;
  /** Of a person who signed in at a provider: what the provider is told at the end. null = a token was typed in. */
  readonly person: { readonly idToken: string } | null;
}

const KEY = 'perfleet-session';

export function storedSession(): Session | null {
  try {
    const stored = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Partial<Session> | null;
    return typeof stored?.token === 'string' ? { token: stored.token, person: stored.person ?? null } : null;
  } catch {
    return null;
  }
}

export function keepSession(session: Session | null): void {
  if (session === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, JSON.stringify(session));
}
