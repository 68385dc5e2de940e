import { z } from 'zod';

/** Whose bearer JWTs are taken besides own tokens. */
export const oidcFields = {
  /** As the provider writes it into its tokens; empty = none are taken. */
  oidcIssuer: z
    .union([z.literal(''), z.url({ protocol: /^https?$/ })], 'must be an http:// or https:// address')
    .default('')
    .refine(
      (url) =>
        url === '' ||
        url.startsWith('https:') ||
        /^http:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])[:/]/.test(`${url}/`),
      'must be https:// but on loopback: keys that come over a plain connection could be anybody’s',
    ),
  /** Who these tokens must be for. */
  oidcAudience: z.string().default(''),
  /** The page as the provider knows it, a client without a secret; empty = nobody signs in there. */
  oidcClientId: z.string().max(500).default(''),
  /** What the page asks the provider for, separated by spaces. */
  oidcScopes: z
    .string()
    .regex(/^[\x21\x23-\x5b\x5d-\x7e ]+$/, 'must be scopes separated by spaces')
    .refine((text) => text.split(' ').includes('openid'), 'must hold openid')
    .default('openid profile email'),
  /** JSON file that says what which claims open. */
  oidcRulesFile: z.string().default(''),
};
