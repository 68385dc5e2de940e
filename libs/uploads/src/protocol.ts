import { z } from 'zod';

/** Bytes of a chunk before compression; the last one of a file is shorter. */
export const CHUNK_BYTES = 4 << 20;
/** Longest body of a chunk: zstd makes what it cannot compress a little longer. */
export const MAX_BODY_BYTES = CHUNK_BYTES + (64 << 10);
/** No symbolizer takes larger files: the parser refuses them. */
export const MAX_FILE_BYTES = 2 ** 31;

const hex = (min: number, max: number) =>
  z.string().regex(new RegExp(`^([0-9a-f]{2}){${min},${max}}$`), 'must be hexadecimal');

/** NT_GNU_BUILD_ID. Short ids name a directory of the store, so what they may hold is fixed here. */
export const gnuBuildIdSchema = hex(4, 64);
/** SHA-256 over the executable code, cut to 16 bytes: the same for a stripped file (`content` of native/symbols). */
export const contentSchema = hex(16, 16);
export const sha256Schema = hex(32, 32);

/** `POST /api/v1/leases`: may this node upload this binary? */
export const leaseRequestSchema = z.object({
  gnu: gnuBuildIdSchema,
  content: contentSchema,
  /** Bytes of the file that will be sent, before compression. */
  size: z.number().int().min(1),
});
export type LeaseRequest = z.infer<typeof leaseRequestSchema>;

export const leaseAnswerSchema = z.discriminatedUnion('answer', [
  z.object({
    answer: z.literal('granted'),
    /** The same one again for the same node and binary, so that an upload goes on where it was cut. */
    upload: hex(16, 16),
    /** The lease ends so long after the last chunk. */
    ttlSeconds: z.number().positive(),
    chunkBytes: z.number().int().positive(),
  }),
  z.object({ answer: z.literal('have') }),
  /** Another node uploads it, or this node has enough to do. */
  z.object({ answer: z.literal('busy'), retryAfterSeconds: z.number().positive() }),
  z.object({ answer: z.literal('refused'), reason: z.string().max(500) }),
]);
export type LeaseAnswer = z.infer<typeof leaseAnswerSchema>;

/** `GET /api/v1/uploads/ID` */
export const uploadStateSchema = z.object({
  /** Indices of the chunks that are there, ascending. */
  chunks: z.array(z.number().int().min(0)).max(MAX_FILE_BYTES / CHUNK_BYTES),
});
export type UploadState = z.infer<typeof uploadStateSchema>;

/** `POST /api/v1/uploads/ID/finish`: the SHA-256 of the whole file. */
export const finishRequestSchema = z.object({ sha256: sha256Schema });
export type FinishRequest = z.infer<typeof finishRequestSchema>;

export const finishAnswerSchema = z.object({
  /** false: other code was known under this build id first, and gives the names. */
  first: z.boolean(),
});
export type FinishAnswer = z.infer<typeof finishAnswerSchema>;

/** Of every refusal. */
export const uploadErrorSchema = z.object({ error: z.string().max(1000) });

/** Header of `PUT /api/v1/uploads/ID/chunks/N`: SHA-256 of the chunk before compression. The body is one zstd frame. */
export const CHUNK_HASH_HEADER = 'x-perfleet-chunk-sha256';

export function chunkCount(size: number): number {
  return Math.ceil(size / CHUNK_BYTES);
}

/** Bytes of chunk `index` before compression. */
export function chunkLength(size: number, index: number): number {
  return Math.min(CHUNK_BYTES, size - index * CHUNK_BYTES);
}
