import { hashToken, judgeToken, type TokenRecord, type TokenVerifier, type Verdict } from '@perfleet/tokens';
import { errors, jwtVerify, type JWTPayload } from 'jose';
import { providerKeys } from './provider-keys.ts';
import { grantOf, type OidcRules } from './rules.ts';

/** Signatures by a key that only the provider has. Never `none`, and no HS…, whose key the receiver would have, too. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

/** Clocks of provider and receiver may differ by so much, seconds. */
const CLOCK_SKEW = 30;
/** Characters of a token; headers of servers hold 16 KiB in all. */
const MAX_LENGTH = 16_000;

export interface OidcSettings {
  /** As the provider writes it into its tokens: `https://id.example.com/realms/main`. */
  readonly issuer: string;
  /** Who the tokens must be for. */
  readonly audience: string;
  readonly rules: OidcRules;
}

export interface OidcOptions extends OidcSettings {
  readonly cooldownMs?: number;
  readonly cacheMs?: number;
  readonly now?: () => number;
}

/** Takes bearer JWTs of one provider: signature, issuer, audience and times are checked, and rules say what its claims open. */
export function createOidcVerifier(options: OidcOptions): TokenVerifier {
  const { issuer, audience, rules, cooldownMs = 30_000, cacheMs = 600_000, now = Date.now } = options;
  const keys = providerKeys({ issuer, cooldownMs, cacheMs, now });
  return {
    async verify(authorization, wanted) {
      const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? '';
      if (token === '') return refuse(401, `this needs a token of ${issuer}: Authorization: Bearer …`);
      if (token.length > MAX_LENGTH) return refuse(401, `the token is longer than ${MAX_LENGTH} characters`);
      let claims: JWTPayload;
      try {
        const checks = {
          issuer,
          audience,
          algorithms: ALGORITHMS,
          clockTolerance: CLOCK_SKEW,
          requiredClaims: ['exp', 'sub'],
        };
        claims = (await jwtVerify(token, keys, { ...checks, currentDate: new Date(now()) })).payload;
      } catch (cause) {
        if (cause instanceof errors.JOSEError) return refuse(401, reasonOf(cause, { issuer, audience }));
        throw cause;
      }
      const grant = grantOf(claims, rules);
      if (typeof grant === 'string')
        return refuse(
          403,
          `${nameOf(claims)} of ${issuer} may do nothing here: ${grant}; whoever runs Perfleet keeps the rules`,
        );
      return judgeToken(recordOf(claims, issuer, grant), wanted);
    },
  };
}

/** A person's, not a token's: limits of callers hold for all tokens of one person. */
function recordOf(
  claims: JWTPayload,
  issuer: string,
  { scopes, labels }: Exclude<ReturnType<typeof grantOf>, string>,
): TokenRecord {
  return {
    hash: hashToken(`${issuer}\n${claims.sub}`),
    name: nameOf(claims),
    scopes: [...scopes],
    node: '',
    labels: { ...labels },
    createdAt: (claims.iat ?? 0) * 1000,
    expiresAt: claims.exp! * 1000,
    revokedAt: null,
  };
}

function nameOf(claims: JWTPayload): string {
  const named = [claims['preferred_username'], claims['email'], claims.sub].find(
    (name) => typeof name === 'string' && name !== '',
  );
  return String(named)
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 200);
}

function reasonOf(error: errors.JOSEError, { issuer, audience }: { issuer: string; audience: string }): string {
  if (error instanceof errors.JWTExpired) return 'the token is expired: get a new one from the provider';
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, payload, reason } = error;
    const found = JSON.stringify(payload[claim])?.slice(0, 200);
    if (claim === 'aud')
      return `the token is for ${found ?? 'nobody'}, not for ${audience}; ask the provider for that audience`;
    if (claim === 'iss') return `the token is of ${found ?? 'nobody'}, not of ${issuer}`;
    if (claim === 'nbf') return `the token is not valid yet; clocks may differ by ${CLOCK_SKEW} seconds`;
    return `the token's claim ${claim} is ${reason}`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return `the token is not signed by an algorithm of ${ALGORITHMS.join(', ')}`;
  if (error instanceof errors.JWKSNoMatchingKey) return `the token is signed by a key that ${issuer} does not publish`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'the signature of the token is wrong';
  return 'the Authorization header holds neither a token of Perfleet nor a JWT that can be read';
}

function refuse(status: 401 | 403, reason: string): Verdict {
  return { ok: false, status, reason };
}
