import * as oauth from 'oauth4webapi';
import type { Granted, Pending, Provider } from './flow.ts';

/**
 * OpenID Connect's authorization code flow with PKCE for a client that has no secret (RFC 9700, 2.1.1). The API checks signatures:
 * it has the provider's keys, and takes nobody's word for a token.
 */
export async function authorizationRequest({ authorizationEndpoint, clientId, scope }: Provider, redirectUri: string) {
  const [state, nonce, verifier] = [
    oauth.generateRandomState(),
    oauth.generateRandomNonce(),
    oauth.generateRandomCodeVerifier(),
  ];
  const url = new URL(authorizationEndpoint);
  const parameters = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    scope,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { url, state, nonce, verifier };
}

/** @param answer the address that the provider sent the browser to. @throws Error that says what is wrong with it */
export async function exchangeCode(
  provider: Provider,
  answer: URL,
  { state, nonce, verifier }: Pending,
  redirectUri: string,
): Promise<Granted> {
  const [server, client] = of(provider);
  return told(async () => {
    const parameters = oauth.validateAuthResponse(server, client, answer, state);
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      parameters,
      redirectUri,
      verifier,
      insecure(provider),
    );
    const checks = { expectedNonce: nonce, requireIdToken: true };
    return granted(provider, await oauth.processAuthorizationCodeResponse(server, client, response, checks));
  });
}

export async function refresh(
  provider: Provider,
  before: Granted & { readonly refreshToken: string },
): Promise<Granted> {
  const [server, client] = of(provider);
  return told(async () => {
    const options = insecure(provider);
    const { refreshToken } = before;
    const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, options);
    return granted(provider, await oauth.processRefreshTokenResponse(server, client, response), before);
  });
}

function of(provider: Provider): [oauth.AuthorizationServer, oauth.Client] {
  const { issuer, clientId, tokenEndpoint, issInAnswer, signedBy } = provider;
  const named = {
    authorization_response_iss_parameter_supported: issInAnswer,
    id_token_signing_alg_values_supported: [...signedBy],
  };
  return [{ issuer, token_endpoint: tokenEndpoint, ...named }, { client_id: clientId }];
}

/** A provider on this machine may have a plain connection; the server's settings allow that for loopback alone. */
const insecure = ({ tokenEndpoint }: Provider) =>
  tokenEndpoint.startsWith('http:') ? { [oauth.allowInsecureRequests]: true } : {};

/** @param before what a provider that sends no new one leaves in force */
function granted({ tokenUse, issuer }: Provider, answer: oauth.TokenEndpointResponse, before?: Granted): Granted {
  const idToken = answer.id_token ?? before?.idToken;
  const token = tokenUse === 'id' ? answer.id_token : answer.access_token;
  if (token === undefined || idToken === undefined) throw new Error(`${issuer} sent no ID token`);
  return {
    token,
    idToken,
    expiresIn: (tokenUse === 'id' ? lifeOf(answer) : undefined) ?? answer.expires_in,
    refreshToken: answer.refresh_token ?? before?.refreshToken,
  };
}

/** Seconds that an ID token is valid for; `expires_in` is about the access token. */
function lifeOf(answer: oauth.TokenEndpointResponse): number | undefined {
  const claims = oauth.getValidatedIdTokenClaims(answer);
  return claims && claims.exp - Math.floor(Date.now() / 1000);
}

/** Errors in words of whom they come from. */
async function told<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof oauth.AuthorizationResponseError || cause instanceof oauth.ResponseBodyError) {
      const { error, error_description: description } = cause;
      throw new Error(`the provider says ${error}${description ? `: ${description}` : ''}`, { cause });
    }
    if (cause instanceof TypeError)
      throw new Error('the provider cannot be reached from this page; it must allow its origin (CORS)', { cause });
    throw cause;
  }
}
