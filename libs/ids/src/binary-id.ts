/**
 * A binary is known by the strongest thing the node could read of it:
 * `gnu:<hex>` (ELF note NT_GNU_BUILD_ID), `htl:<hex>` (`process.executable.build_id.htlhash`), `path:<path>`.
 */
export type BinaryId = string;

export function binaryId(parts: { gnuBuildId?: string; htlHash?: string; path: string }): BinaryId {
  if (parts.gnuBuildId) return `gnu:${parts.gnuBuildId}`;
  if (parts.htlHash) return `htl:${parts.htlHash}`;
  return `path:${parts.path}`;
}

/** 16 lower-case hexadecimal digits, as identifiers appear in JSON. */
export function idToHex(id: bigint): string {
  return id.toString(16).padStart(16, '0');
}
