import { badRequest } from '../http/api-error.ts';

/** Bounds of what a sender may hand over in one request; one over a bound is refused with an error that names it. */
export const INGEST_LIMITS = {
  /** Bytes of a body as it comes, compressed or not. */
  bodyBytes: 8 << 20,
  /** Bytes of a body, or of the profile inside, after decompression. */
  expandedBytes: 16 << 20,
  samples: 200_000,
  tableEntries: 500_000,
  stackDepth: 1024,
  stringBytes: 16 << 10,
  labels: 32,
  labelNameLength: 128,
  labelValueLength: 1024,
  /** Distinct label sets of one profile: each is a series. */
  labelSets: 1000,
  /** Sum of the counts of one request: one beyond it is a mistake, and would spoil the counts of its node. */
  count: 2 ** 48,
  /** Largest sum of values of one profile in the unit that is stored; the store's columns end at 2^64. */
  value: 2 ** 62,
  /** Profiles in one request of `push.v1.PusherService`. */
  profiles: 64,
  /** Bytes of requests that are being worked on at once. */
  pendingBytes: 128 << 20,
} as const;

const DAY_NANOS = 86_400_000_000_000n;
/** The store keeps samples this long and has a part for each day: older ones would go at once, and a part for each. */
const PAST_DAYS = 14n;

/** @param unixNano 0 = none given. @throws ApiError 400 when the store would not keep samples of that time */
export function checkTime(unixNano: bigint): void {
  if (unixNano === 0n) return;
  const now = BigInt(Date.now()) * 1_000_000n;
  if (unixNano >= now - PAST_DAYS * DAY_NANOS && unixNano <= now + DAY_NANOS) return;
  throw badRequest(`samples at Unix nanosecond ${unixNano}: neither of the last ${PAST_DAYS} days nor of the next`);
}

export interface IngestRates {
  /** Of one sender: a token, or a remote address where nobody is asked. */
  readonly requestsPerSecond: number;
  readonly mibPerSecond: number;
}

export const DEFAULT_RATES: IngestRates = { requestsPerSecond: 100, mibPerSecond: 32 };
