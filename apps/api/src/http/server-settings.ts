import { arrivalWithin, type TlsIdentity } from '@perfleet/http-guard';

/**
 * Fastify's settings of a server of the API.
 * @param arrivalMs for a request to arrive whole; default a minute
 */
export function serverSettings(tls: TlsIdentity | null | undefined, arrivalMs?: number) {
  const arrival = arrivalWithin(arrivalMs);
  const { requestTimeout } = arrival;
  // Fastify sets its own time again on the server that it has made with the other settings.
  return tls
    ? { requestTimeout, https: { ...arrival, cert: tls.cert, key: tls.key } }
    : { requestTimeout, http: arrival };
}
