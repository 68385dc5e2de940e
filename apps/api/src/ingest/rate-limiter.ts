import type { IngestRates } from './limits.ts';

const MAX_SENDERS = 10_000;
/** Seconds of its rate that a sender which was quiet may use at once. */
const BURST_SECONDS = 10;

interface Bucket {
  requests: number;
  bytes: number;
  at: number;
}

/** Two token buckets a sender, requests and bytes; the senders that were quiet longest are forgotten first. */
export class RateLimiter {
  private readonly buckets = new Map<string, Bucket>();

  constructor(
    private readonly rates: IngestRates,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Whether the sender may hand over another request of `bytes`; one that may not costs nothing. */
  take(sender: string, bytes: number): boolean {
    const requestRate = this.rates.requestsPerSecond;
    const byteRate = this.rates.mibPerSecond * 2 ** 20;
    const now = this.now();
    const bucket = this.buckets.get(sender) ?? { requests: Infinity, bytes: Infinity, at: now };
    const seconds = (now - bucket.at) / 1000;
    bucket.requests = Math.min(requestRate * BURST_SECONDS, bucket.requests + seconds * requestRate);
    bucket.bytes = Math.min(byteRate * BURST_SECONDS, bucket.bytes + seconds * byteRate);
    bucket.at = now;
    this.buckets.delete(sender);
    this.buckets.set(sender, bucket);
    if (this.buckets.size > MAX_SENDERS) this.buckets.delete(this.buckets.keys().next().value!);
    if (bucket.requests < 1 || bucket.bytes < bytes) return false;
    bucket.requests -= 1;
    bucket.bytes -= bytes;
    return true;
  }
}
