import { z } from 'zod';

const hexAddress = z.string().regex(/^[0-9a-f]{1,16}$/);
const name = z.string().max(16384);

/** Value on `perfleet.addresses`, keyed by binary id: addresses of a binary seen for the first time. */
export const addressesSchema = z.object({
  binaryId: z.string().min(1).max(4200),
  kind: z.string().max(64),
  /** Path of the mapping as the process saw it. */
  path: z.string().max(4096),
  /** Where the binary may be found: the node and some pids that map it. */
  node: z.string().max(253),
  pids: z.array(z.number().int().min(1)).max(16),
  /** ELF virtual addresses, lower-case hex. */
  addresses: z.array(hexAddress).max(65536),
});
export type AddressesMessage = z.infer<typeof addressesSchema>;

/** How good a resolution is: the higher wins when two exist for one frame. */
export const SYMBOL_QUALITY = { unresolved: 0, dynamic: 1, symtab: 2, debug: 3 } as const;

/** Bytes of address space that one symbols message covers. */
export const SYMBOL_PAGE_SIZE = 0x10000n;

/** Value on `perfleet.symbols`, keyed by `symbolsKey`: all resolved frames of one address page, compacted. */
export const symbolsSchema = z.object({
  binaryId: z.string().min(1).max(4200),
  kind: z.string().max(64),
  frames: z
    .array(
      z.object({
        address: hexAddress,
        quality: z.number().int().min(0).max(3),
        /** Innermost first: [function, file, line]; empty when unresolved. */
        chain: z.array(z.tuple([name, name, z.number().int().min(0)])).max(256),
        /** Why it is unresolved. */
        reason: z.string().max(200).optional(),
      }),
    )
    .max(65536),
});
export type SymbolsMessage = z.infer<typeof symbolsSchema>;

export function symbolsKey(binaryId: string, address: bigint): string {
  return `${binaryId}@${(address / SYMBOL_PAGE_SIZE).toString(16)}`;
}
