import { createHash } from 'node:crypto';

/** Begins every token, so that scanners for leaked secrets know one. */
export const TOKEN_PREFIX = 'pfl_';

/** The prefix and 256 random bits in base64url. */
const TOKEN = /^pfl_[A-Za-z0-9_-]{43}$/;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/**
 * What a token is looked up by. Looking up a hash takes the same time however much of a guess is right: nothing about the
 * stored token can be measured. A fast hash is enough, since 256 random bits cannot be guessed from it.
 * @returns SHA-256, hex
 */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/**
 * The token of an `Authorization` header (RFC 6750), null when there is none or it is not one of ours.
 */
export function bearerToken(authorization: string | undefined): string | null {
  const match = /^Bearer +(\S+) *$/i.exec(authorization ?? '');
  const token = match?.[1];
  return token !== undefined && isToken(token) ? token : null;
}
