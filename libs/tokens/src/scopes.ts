/** What a token may do. `node` stands alone: it is a machine's, and machines get stolen. */
export const SCOPES = ['ingest', 'read', 'sql', 'admin', 'node'] as const;
export type Scope = (typeof SCOPES)[number];

/** For help texts and errors. */
export const SCOPE_MEANINGS: Readonly<Record<Scope, string>> = {
  ingest: 'send profiles of other agents',
  read: 'flame graphs, nodes, alerts: all that the page shows',
  sql: 'SQL of its own making',
  admin: 'all of these, and what changes the fleet',
  node: "upload binaries as one node's collector; needs --node and no other scope",
};

/** `admin` stands for every scope of people; it never makes somebody a node. */
export function allows(held: readonly Scope[], wanted: Scope): boolean {
  return held.includes(wanted) || (wanted !== 'node' && held.includes('admin'));
}

/**
 * @param list scopes with commas between, as in `read,sql`
 * @throws TokenRequestError
 */
export function parseScopes(list: string): Scope[] {
  const words = list
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean);
  const known = (word: string): word is Scope => (SCOPES as readonly string[]).includes(word);
  const unknown = words.filter((word) => !known(word));
  if (unknown.length > 0)
    throw new TokenRequestError(`unknown scope ${unknown.join(', ')}: the scopes are ${SCOPES.join(', ')}`);
  return [...new Set(words.filter(known))];
}

/** A token cannot be made or found as it was asked for; the message says what to ask instead. */
export class TokenRequestError extends Error {
  override readonly name = 'TokenRequestError';
}
