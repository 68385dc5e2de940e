import { useSyncExternalStore } from 'react';

/** Kept for this tab only: closing it forgets the token. */
const KEY = 'perfleet-token';

interface AccessState {
  readonly token: string;
  /** Why the API refused the last request for want of a token it takes; "" = it did not. */
  readonly refused: string;
}

let state: AccessState = { token: sessionStorage.getItem(KEY) ?? '', refused: '' };
const listeners = new Set<() => void>();

function change(next: AccessState): void {
  state = next;
  for (const listener of listeners) listener();
}

/** The first answer counts: those of an old token come late, and those that the page's end cut off have no reason. */
export function refuse(token: string, reason: string): void {
  if (token === state.token && state.refused === '') change({ ...state, refused: reason });
}

export function setToken(token: string): void {
  if (token === '') sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, token);
  change({ token, refused: '' });
}

export const currentToken = () => state.token;

export function useAccess(): AccessState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    () => state,
  );
}
