import { z } from 'zod';

/** Changes that are kept, the newest. */
export const CONFIG_HISTORY_LIMIT = 100;

/** Identifies one state of the document. Versions alone do not: a store that lost everything begins at 1 again. */
export interface ConfigRevision {
  /** 1, 2, 3, … */
  readonly version: number;
  /** Unix milliseconds, the store's clock. */
  readonly changedAt: number;
}

export interface ConfigDocument extends ConfigRevision {
  /** JSON as it was set; whoever reads it validates it. */
  readonly document: unknown;
  /** Who changed it and why, as they said. */
  readonly by: string;
  readonly comment: string;
}

export interface ConfigNote {
  readonly by?: string;
  readonly comment?: string;
}

/**
 * The fleet's configuration document and its last changes. All calls reject with NodeStateUnavailableError, soon, while the store
 * is away.
 */
export interface ConfigStore {
  /** @throws ConfigUnreadableError when something that is no document stands in its place; `set` puts that right */
  get(): Promise<ConfigDocument | null>;
  /** What every node asks every few seconds, so that the document travels only when it changed. null = there is none. */
  revision(): Promise<ConfigRevision | null>;
  /**
   * @param expectedVersion the version that the change is based on (0 = there was none); left out = overwrite
   * @returns the new version
   * @throws ConfigConflictError
   */
  set(document: unknown, expectedVersion?: number, note?: ConfigNote): Promise<number>;
  /** Newest first, the one in force included. Entries that cannot be read are left out. */
  history(limit: number): Promise<ConfigDocument[]>;
}

export const configDocumentSchema = z.object({
  version: z.number().int().min(1),
  changedAt: z.number(),
  document: z.unknown(),
  by: z.string(),
  comment: z.string(),
});

/** Who and why, in bounds. */
export function noteOf({ by = '', comment = '' }: ConfigNote = {}): Required<ConfigNote> {
  return { by: by.slice(0, 200), comment: comment.slice(0, 2000) };
}
