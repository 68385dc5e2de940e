import xxhash from 'xxhash-wasm';

/** XXH64 with seed 0 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md). Loaded once: the module is 3 kB of WebAssembly. */
const { h64Raw } = await xxhash();

/** Hash of `bytes` as an unsigned 64-bit integer. */
export function xxh64(bytes: Uint8Array): bigint {
  return h64Raw(bytes, 0n);
}
