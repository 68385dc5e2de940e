/** Why uploads are refused, for counting. */
export const REFUSALS = ['size', 'quota', 'contents', 'incomplete', 'hash', 'build-id', 'content', 'unusable'] as const;
export type Refusal = (typeof REFUSALS)[number];

/** A request that cannot be done as it is; the message goes to the collector. */
export class UploadError extends Error {
  override readonly name = 'UploadError';

  constructor(
    readonly status: number,
    message: string,
    /** The upload came to nothing: it is counted, and said where names are missing. */
    readonly refusal?: Refusal,
  ) {
    super(message);
  }
}
