import { readFileSync } from 'node:fs';
import { ConfigError } from '@perfleet/config';
import {
  createOidcVerifier,
  createSignIn,
  eitherVerifier,
  parseRules,
  type OidcRules,
  type OidcSettings,
  type SignIn,
} from '@perfleet/oidc';
import { createTokenVerifier, type TokenStore, type TokenVerifier } from '@perfleet/tokens';
import type { Settings } from './settings.ts';

type Oidc = Pick<Settings, 'auth' | 'oidcIssuer' | 'oidcAudience' | 'oidcRulesFile'>;
type Page = Pick<Settings, 'oidcIssuer' | 'oidcAudience' | 'oidcClientId' | 'oidcScopes'>;

/** Whose JWTs are taken; null = nobody's. @throws ConfigError that names the variable and the fix */
export function oidcOf({ auth, oidcIssuer, oidcAudience, oidcRulesFile }: Oidc): OidcSettings | null {
  if (oidcIssuer === '') {
    if (oidcAudience || oidcRulesFile)
      throw new ConfigError(
        'PERFLEET_OIDC_ISSUER is not set: without it PERFLEET_OIDC_AUDIENCE and PERFLEET_OIDC_RULES_FILE say nothing',
      );
    return null;
  }
  if (auth !== 'tokens')
    throw new ConfigError('PERFLEET_OIDC_ISSUER needs PERFLEET_AUTH=tokens: otherwise nobody is asked for a token');
  if (oidcAudience === '')
    throw new ConfigError(
      'PERFLEET_OIDC_AUDIENCE is not set: a token that the provider made for another application would open this one, too; set the client id or audience that tokens for Perfleet carry in `aud`',
    );
  if (oidcRulesFile === '')
    throw new ConfigError(
      'PERFLEET_OIDC_RULES_FILE is not set: it says which claims open what; docs/security.md has an example',
    );
  return { issuer: oidcIssuer, audience: oidcAudience, rules: readRules(oidcRulesFile) };
}

/** Own tokens, and JWTs where a provider is set. */
export function tokenVerifier(settings: Oidc, store: TokenStore): TokenVerifier {
  const own = createTokenVerifier({ store });
  const oidc = oidcOf(settings);
  return oidc ? eitherVerifier(own, createOidcVerifier(oidc)) : own;
}

/** How people sign in on the page; null = they do not. */
export function signInOf({ oidcIssuer, oidcAudience, oidcClientId, oidcScopes }: Page): SignIn | null {
  if (oidcClientId === '') return null;
  if (oidcIssuer === '')
    throw new ConfigError('PERFLEET_OIDC_ISSUER is not set: without it PERFLEET_OIDC_CLIENT_ID says nothing');
  return createSignIn({ issuer: oidcIssuer, audience: oidcAudience, clientId: oidcClientId, scope: oidcScopes });
}

function readRules(file: string): OidcRules {
  try {
    return parseRules(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`PERFLEET_OIDC_RULES_FILE=${file}: ${why}`, { cause });
  }
}
