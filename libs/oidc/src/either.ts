import { isToken, type TokenVerifier } from '@perfleet/tokens';

/** Own tokens by their form, everything else by the provider. */
export function eitherVerifier(own: TokenVerifier, provider: TokenVerifier): TokenVerifier {
  return {
    verify(authorization, wanted) {
      const text = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
      const isOwn = text === undefined || isToken(text) || text.split('.').length !== 3;
      return (isOwn ? own : provider).verify(authorization, wanted);
    },
  };
}
