import { useSyncExternalStore } from 'react';
import { keepSession, storedSession, type Session } from './session.ts';

interface AccessState {
  /** null = nobody is signed in. */
  readonly session: Session | null;
  /** How often somebody signed in on this page: a new one begins with a new page, a renewed token does not. */
  readonly visit: number;
  /** Somebody must sign in (again), and why, where there is something to tell; null = nobody must. */
  readonly refused: string | null;
}

let state: AccessState = { session: storedSession(), visit: 0, refused: null };
const listeners = new Set<() => void>();
/** Gets a new token in place of one that is refused; null = nobody can. */
let renewal: (() => Promise<void>) | null = null;
/** The token that is being renewed: a page asks several things at once, and each of them is refused. */
let renewing: string | null = null;

function change(next: Partial<AccessState>): void {
  state = { ...state, ...next };
  for (const listener of listeners) listener();
}

/**
 * The first answer counts: those of an old token come late, and those that the page's end cut off have no reason. What can be
 * renewed is, before anybody is asked.
 */
export function refuse(token: string, reason: string): void {
  if (token !== currentToken() || state.refused !== null || token === renewing) return;
  const renew = renewal;
  renewal = null;
  // To whom had no token there is nothing to tell: nothing of theirs was refused.
  const show = () => token === currentToken() && change({ refused: token === '' ? '' : reason });
  if (renew) {
    renewing = token;
    const over = () => void (renewing = renewing === token ? null : renewing);
    void renew().then(over, () => (over(), show()));
  } else show();
}

/** Somebody signed in. */
export function enter(session: Session): void {
  keepSession(session);
  renewal = null;
  change({ session, visit: state.visit + 1, refused: null });
}

/** The same person's next token. */
export function renewed(session: Session): void {
  keepSession(session);
  change({ session, refused: null });
}

/** Until the next token is refused. */
export function renewWith(renew: (() => Promise<void>) | null): void {
  renewal = renew;
}

/** @param reason what is said in place of the page */
export function leave(reason: string): void {
  keepSession(null);
  renewal = null;
  change({ session: null, refused: reason });
}

export const currentSession = () => state.session;
export const currentToken = () => state.session?.token ?? '';

export function useAccess(): AccessState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    () => state,
  );
}
