/**
 * Longer than a message waits on a node's disk and in the stream before it is read here, and a day less than samples are kept,
 * so that what is moved to it is seen: milliseconds.
 */
const MAX_AGE_MS = 13 * 86_400_000;
/** Further ahead of the broker than any clock that is worth a name. */
const MAX_AHEAD_MS = 3_600_000;

/**
 * The time itself, or the nearest one that can be true of what the broker got at `brokerMs` (Unix milliseconds). Tables are
 * partitioned by time and the store refuses a block of more than a hundred partitions: times of one message that lie years
 * apart would stop its Kafka partition for good.
 */
export function believableTime(ms: number, brokerMs: number): number {
  return Math.min(brokerMs + MAX_AHEAD_MS, Math.max(brokerMs - MAX_AGE_MS, ms));
}
