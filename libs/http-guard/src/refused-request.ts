export interface Origins {
  /** Address that is listened on. */
  readonly host: string;
  /** Names besides addresses and `localhost` by which clients may call: host names without port, e.g. of an ingress. */
  readonly allowedHosts: readonly string[];
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1', '0.0.0.0', '::']);

/**
 * Refuses what a page of somebody else's site can make a browser send. On loopback `Host` must be loopback or an allowed name:
 * a name that was rebound to 127.0.0.1 is neither (DNS rebinding). An `Origin` must be that of the request's own host.
 * Programs send no `Origin`. Behind a proxy any `Host` is right, since who listens on other addresses is not a browser's neighbour.
 * @returns why it is refused, or null
 */
export function refusedRequest(
  headers: { readonly [name: string]: string | string[] | undefined },
  origins: Origins,
): string | null {
  const host = one(headers['host']) ?? one(headers[':authority']) ?? '';
  const name = hostName(host);
  const allowed = (candidate: string) => LOOPBACK.has(candidate) || origins.allowedHosts.includes(candidate);
  if (LOOPBACK.has(origins.host) && origins.host !== '0.0.0.0' && origins.host !== '::' && !allowed(name))
    return `Host ${host.slice(0, 100)} is not this server: call it by localhost or its address, or allow the name with --allowed-hosts`;
  const origin = one(headers['origin']);
  if (origin === undefined)
    return one(headers['sec-fetch-site']) === 'cross-site' && one(headers['sec-fetch-mode']) !== 'navigate'
      ? 'requests of other sites’ pages are refused'
      : null;
  if (origin === 'null') return 'requests without an origin of their own are refused';
  let from: URL;
  try {
    from = new URL(origin);
  } catch {
    return 'Origin is not an address';
  }
  return from.host === host || origins.allowedHosts.includes(from.hostname)
    ? null
    : `requests of pages of ${from.host.slice(0, 100)} are refused`;
}

const one = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value);

/** `[::1]:4700` -> `::1`, lower case, without a dot at the end. */
function hostName(host: string): string {
  const match = /^\[([^\]]*)\](?::\d+)?$/.exec(host) ?? /^([^:]*)(?::\d+)?$/.exec(host);
  return (match?.[1] ?? '').toLowerCase().replace(/\.$/, '');
}
