import { z } from 'zod';

/** For an answer of the provider, milliseconds. */
const TIMEOUT_MS = 5000;

/** What Perfleet reads of https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata. */
const metadataSchema = z.object({
  issuer: z.string(),
  jwks_uri: z.url(),
  authorization_endpoint: z.url().optional(),
  token_endpoint: z.url().optional(),
  end_session_endpoint: z.url().optional(),
  id_token_signing_alg_values_supported: z.array(z.string()).optional(),
  /** RFC 9207. */
  authorization_response_iss_parameter_supported: z.boolean().optional(),
});
export type ProviderMetadata = z.infer<typeof metadataSchema>;

const ADDRESSES = ['jwks_uri', 'authorization_endpoint', 'token_endpoint', 'end_session_endpoint'] as const;

/** @throws Error when the provider does not answer, calls itself otherwise, or names an address that anybody could answer for */
export async function discover(issuer: string): Promise<ProviderMetadata> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  const metadata = metadataSchema.parse(await response.json());
  if (metadata.issuer !== issuer) throw new Error(`it calls itself ${metadata.issuer}`);
  const secure = new URL(issuer).protocol === 'https:';
  for (const name of ADDRESSES) {
    const address = metadata[name];
    if (address === undefined) continue;
    // Keys from a plain connection could be anybody's, and codes sent over one anybody could read.
    const allowed = secure ? ['https:'] : ['https:', 'http:'];
    if (!allowed.includes(new URL(address).protocol)) throw new Error(`its ${name} is ${address}, which is not https`);
  }
  return metadata;
}

/** Why the provider could not be asked, in one line. */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const inner = cause.cause instanceof Error ? cause.cause.message : '';
  return (inner ? `${cause.message}: ${inner}` : cause.message).split('\n').join(' ').slice(0, 300);
}
