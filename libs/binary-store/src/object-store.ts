/** An object of the store. Times are Unix milliseconds. */
export interface StoredObject {
  readonly key: string;
  readonly size: number;
  /** When it was put or last touched. */
  readonly usedAt: number;
}

/** What goes in: a file, or a short body. */
export type ObjectSource = { readonly path: string } | { readonly bytes: Uint8Array };

/**
 * Objects by key, `[a-z0-9-]` words with slashes between. An object is there whole or not at all, also after a crash, and what is
 * read is what was put: each has a SHA-256 that is checked when it is read. One that fails the check is removed and is then not
 * there. Calls reject with `BinaryStoreError` when the medium fails.
 */
export interface ObjectStore {
  /** In words, for logs and errors. */
  readonly place: string;
  put(key: string, source: ObjectSource): Promise<void>;
  has(key: string): Promise<boolean>;
  /** A file of this machine that holds the object, for reading only; it may be removed at any time. null = not there. */
  file(key: string): Promise<string | null>;
  bytes(key: string): Promise<Buffer | null>;
  /** Objects whose key begins with `prefix`, in no order. */
  list(prefix: string): Promise<StoredObject[]>;
  /** It was used now; kept to the day by stores where that costs a request. */
  touch(key: string): Promise<void>;
  /** No error when it is not there. */
  remove(key: string): Promise<void>;
  close(): void;
}

/** The store cannot be read or written: its disk or its server fails. The message says which and why. */
export class BinaryStoreError extends Error {
  override readonly name = 'BinaryStoreError';
}

const KEY = /^[a-z0-9-]+(\/[a-z0-9-]+)+$/;

/** @throws BinaryStoreError for what could lead out of a directory: a bug of the caller */
export function checkKey(key: string): string {
  if (!KEY.test(key) || key.length > 512) throw new BinaryStoreError(`${key}: not a key of the store`);
  return key;
}

export function storeError(place: string, cause: unknown): BinaryStoreError {
  if (cause instanceof BinaryStoreError) return cause;
  const message = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new BinaryStoreError(`store of binaries at ${place}: ${message}`, { cause });
}
