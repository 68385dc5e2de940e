import type { SignInResponse } from '@perfleet/api-contract';
import { discover, reasonOf, type ProviderMetadata } from './discovery.ts';

/** How people sign in on the page: authorization code with PKCE, by a client that has no secret. */
export interface SignInSettings {
  readonly issuer: string;
  readonly audience: string;
  /** As it is registered at the provider. */
  readonly clientId: string;
  /** Separated by spaces; `openid` is among them. */
  readonly scope: string;
}

/** What the API tells its page, and lets it reach. */
export interface SignIn {
  /** Never rejects: that the provider does not answer is said in the answer. */
  describe(): Promise<SignInResponse>;
  /** Where the page may send requests to, besides the API: exactly the token endpoint. Empty until it is known. */
  reachable(): readonly string[];
}

/** What discovery said is used for so long; what it did not say is asked for again after so long. */
const FRESH_MS = 600_000;
const REST_MS = 5000;

export function createSignIn(settings: SignInSettings, now: () => number = Date.now): SignIn {
  /** The last that was known: a page that is open keeps what it may reach while the provider is away. */
  let tokenEndpoint: string | null = null;
  let asked: Promise<SignInResponse> | null = null;
  let until = 0;
  const describe = () => {
    if (asked === null || now() >= until) {
      until = now() + FRESH_MS;
      asked = discover(settings.issuer)
        .then((metadata) => providerOf(settings, metadata))
        .then(
          (provider) => {
            tokenEndpoint = provider.tokenEndpoint;
            return { provider, error: '' };
          },
          (cause: unknown) => {
            until = now() + REST_MS;
            const error = `one cannot sign in at ${settings.issuer} now: it does not answer as it should (${reasonOf(cause)}); check PERFLEET_OIDC_ISSUER, or try again`;
            return { provider: null, error };
          },
        );
    }
    return asked;
  };
  return {
    describe,
    reachable() {
      void describe();
      return tokenEndpoint === null ? [] : [tokenEndpoint];
    },
  };
}

function providerOf(
  { issuer, audience, clientId, scope }: SignInSettings,
  metadata: ProviderMetadata,
): NonNullable<SignInResponse['provider']> {
  const { authorization_endpoint: authorizationEndpoint, token_endpoint: tokenEndpoint } = metadata;
  if (authorizationEndpoint === undefined || tokenEndpoint === undefined)
    throw new Error('it names no authorization_endpoint or no token_endpoint');
  const { end_session_endpoint: endSessionEndpoint } = metadata;
  return {
    ...{ issuer, clientId, scope, authorizationEndpoint, tokenEndpoint },
    ...(endSessionEndpoint !== undefined && { endSessionEndpoint }),
    signedBy: metadata.id_token_signing_alg_values_supported ?? ['RS256'],
    // The ID token is for the client. Where that is the audience it opens the API; else the access token must be for it.
    tokenUse: clientId === audience ? 'id' : 'access',
    issInAnswer: metadata.authorization_response_iss_parameter_supported ?? false,
  };
}
