import type { BodyHash } from './block-content.ts';

/** Offsets `from` (included) to `to` (not included). */
export interface OffsetRange {
  readonly from: bigint;
  readonly to: bigint;
}

/** A range that was begun, as it stands in the metadata of a commit. */
export interface StoredRange extends OffsetRange {
  /** Where its block goes; null = it was not recorded. */
  readonly shard: string | null;
  /** What its tokens are made of. */
  readonly bodies: BodyHash;
}

/** Shard and hash are left out where they are what a reader takes it for without them. */
export function formatRange({ from, to, shard, bodies }: StoredRange): string {
  return JSON.stringify({
    from: String(from),
    to: String(to),
    ...(shard ? { shard } : {}),
    ...(bodies === 'sha256' ? {} : { bodies }),
  });
}

/**
 * The stored range, or null when there is none or it is not one of ours.
 * @throws Error when its tokens are made in a way that is not known here: under others its block would be stored twice
 */
export function parseRange(metadata: string | undefined): StoredRange | null {
  const { from, to, shard, bodies = 'sha256' } = parseObject(metadata);
  if (typeof from !== 'string' || typeof to !== 'string') return null;
  if (!/^\d+$/.test(from) || !/^\d+$/.test(to) || BigInt(to) <= BigInt(from)) return null;
  if (bodies !== 'sha256' && bodies !== 'xxh3')
    throw new Error(
      `the block of offsets ${from} to ${to} was begun by a newer version (bodies ${JSON.stringify(bodies)}), which alone can finish it: run that one`,
    );
  return { from: BigInt(from), to: BigInt(to), shard: typeof shard === 'string' ? shard : null, bodies };
}

function parseObject(text: string | undefined): Record<string, unknown> {
  try {
    return (JSON.parse(text ?? '') ?? {}) as Record<string, unknown>;
  } catch {
    return {};
  }
}
