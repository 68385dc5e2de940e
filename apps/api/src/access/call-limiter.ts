import { ApiError } from '../http/api-error.ts';
import { RateLimiter } from '../ingest/rate-limiter.ts';

export interface CallRates {
  /** Of one caller: a token, or an address where nobody is asked. */
  readonly requestsPerSecond: number;
  /** Requests of one caller that are answered at the same time. */
  readonly concurrent: number;
}

export const DEFAULT_CALL_RATES: CallRates = { requestsPerSecond: 200, concurrent: 64 };

/** How much one caller may ask for. Memory is bounded by the senders that `RateLimiter` remembers and by open requests. */
export class CallLimiter {
  private readonly rates: RateLimiter;
  private readonly open = new Map<string, number>();

  constructor(
    private readonly limits: CallRates = DEFAULT_CALL_RATES,
    now?: () => number,
  ) {
    this.rates = new RateLimiter({ requestsPerSecond: limits.requestsPerSecond, mibPerSecond: 1 }, now);
  }

  /** @returns what to call when the request is over; more calls do nothing. @throws ApiError 429 */
  begin(caller: string): () => void {
    if (!this.rates.take(caller, 0))
      throw tooMany(`${caller} sends more than ${this.limits.requestsPerSecond} requests a second; send fewer`);
    const running = this.open.get(caller) ?? 0;
    if (running >= this.limits.concurrent)
      throw tooMany(`${caller} has ${running} requests that are not answered yet; wait for them`);
    this.open.set(caller, running + 1);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const left = (this.open.get(caller) ?? 1) - 1;
      if (left > 0) this.open.set(caller, left);
      else this.open.delete(caller);
    };
  }
}

function tooMany(message: string): ApiError {
  return new ApiError(429, 'rate-limit', message);
}
