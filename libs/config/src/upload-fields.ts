import { z } from 'zod';

const httpUrl = z
  .union([z.literal(''), z.url({ protocol: /^https?$/ })], 'must be an http:// or https:// address')
  .default('');
const mebibytes = (most: number, byDefault: number) => z.coerce.number().int().min(1).max(most).default(byDefault);

/** Binaries from nodes to the symbolizer. */
export const uploadFields = {
  /** Symbolizer: address and port to receive binaries on; `off` receives none. */
  uploadHost: z.string().default('127.0.0.1'),
  uploadPort: z
    .union(
      [z.literal('off').transform(() => null), z.coerce.number().int().min(0).max(65535)],
      'a port from 0 to 65535, or off',
    )
    .default(null),
  /** Symbolizer: PEM files; without them the tokens of nodes travel in the clear. */
  uploadTlsCertFile: z.string().default(''),
  uploadTlsKeyFile: z.string().default(''),
  /** Symbolizer: where uploaded binaries are kept, a directory (by default below the data directory) or `s3://bucket/prefix`. */
  binaryStore: z.string().default(''),
  /** Of another S3 server than Amazon's. Credentials are found as by every AWS client. */
  s3Endpoint: httpUrl,
  s3Region: z.string().default('us-east-1'),
  binaryStoreQuotaMb: mebibytes(100_000_000, 51_200),
  binaryStoreDays: z.coerce.number().min(1).max(3650).default(90),
  /** Symbolizer: the largest file that is taken. */
  uploadMaxMb: mebibytes(2047, 1024),
  /** Symbolizer: what one node may send in a day (UTC). */
  uploadNodeMbPerDay: mebibytes(10_000_000, 8192),
  /** Symbolizer: whether files of its own machine may stand for binaries. */
  localFiles: z.enum(['yes', 'no']).default('yes'),
  /** Collector: the symbolizer's address; without it, or without a token, nothing is uploaded. */
  uploadUrl: httpUrl,
  /** Collector: file that holds the token of this node, as `perfleet token create --node` printed it. */
  uploadTokenFile: z.string().default(''),
  /** Collector: PEM file of the authority that signed the symbolizer's certificate; empty = those that the system trusts. */
  uploadCaFile: z.string().default(''),
  /** Collector: compressed bytes a second. */
  uploadKbPerSecond: z.coerce.number().int().min(8).max(10_000_000).default(2048),
  /** Collector: disk that binaries which wait for their upload may take. */
  uploadQueueMb: mebibytes(1_000_000, 1024),
};
