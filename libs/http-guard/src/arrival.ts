/** For a request to arrive whole, so that slow senders cannot hold connections: milliseconds. */
export const ARRIVAL_MS = 60_000;

/**
 * Settings of Node's HTTP servers that end a request which has not arrived whole after `ms` milliseconds. Node looks every half
 * minute by default, so a shorter time needs a shorter look; it answers 408 to what has sent nothing of its headers' end, or the
 * server's own handler of client errors does (https://nodejs.org/api/http.html#serverrequesttimeout).
 */
export function arrivalWithin(ms = ARRIVAL_MS) {
  return { requestTimeout: ms, headersTimeout: ms, connectionsCheckingInterval: Math.min(30_000, Math.ceil(ms / 2)) };
}
