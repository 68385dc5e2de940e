import { ID_DIFFERS, NO_FILE } from './local-binaries.ts';
import { CONFLICT, NO_SYMBOL } from './symbolizer.ts';

/** Begins the reason of a binary whose last upload came to nothing. */
export const UPLOAD_REFUSED = 'upload refused';

/**
 * Why addresses have no name, for counting: `no-file` nobody here has the binary; `id-differs` the file at its place is
 * another; `no-symbol` its sources do not name the address; `conflict` other code under its build id; `not-permitted`; `limit`
 * it claims or takes more than a binary may; `upload-refused` what a node sent was not the binary; `unusable` no readable ELF file, corrupt, or its parser crashed.
 */
export const REASON_CLASSES = [
  'no-file',
  'id-differs',
  'no-symbol',
  'conflict',
  'not-permitted',
  'limit',
  'upload-refused',
  'unusable',
] as const;
export type ReasonClass = (typeof REASON_CLASSES)[number];

export function reasonClass(reason: string): ReasonClass {
  if (reason === NO_FILE) return 'no-file';
  if (reason === ID_DIFFERS) return 'id-differs';
  if (reason === NO_SYMBOL) return 'no-symbol';
  if (reason.startsWith(CONFLICT)) return 'conflict';
  if (reason.startsWith(UPLOAD_REFUSED)) return 'upload-refused';
  if (/belongs to user|Permission denied|not permitted/.test(reason)) return 'not-permitted';
  if (/more than|did not end in time|too long/.test(reason)) return 'limit';
  return 'unusable';
}
