import { ByteWriter } from './byte-writer.ts';
import { xxh64 } from './xxh64.ts';

/**
 * Identifiers are XXH64 over a canonical byte string, so that any number of writers agree without talking.
 *
 *   str(s)   = u32 LE byte length, UTF-8 bytes
 *   frame    = 0x01 str(kind) str(binaryId) u64 LE address          native frame (ELF virtual address)
 *            | 0x02 str(kind) str(function) str(file) u32 LE line   frame named at the node
 *            | 0x03 str(kind) str(mappingName)                      anonymous code without a name
 *   stack    = u64 LE frame id, repeated, root first
 *   series   = str(name) str(value), repeated, sorted by name (UTF-8 byte order), empty values left out
 *   workload = the same of the labels that its instances share: without node, pod, pod_uid and container_id
 *
 * No runtime address enters an identifier: address randomisation multiplies nothing.
 * `vectors.json` beside this file holds test vectors that the Rust mirror checks too.
 */
export type FrameId = bigint;
export type StackId = bigint;
export type SeriesId = bigint;

const TAG_NATIVE = 1;
const TAG_NAMED = 2;
const TAG_ANONYMOUS = 3;

const writer = new ByteWriter();

export function nativeFrameId(kind: string, binaryId: string, address: bigint): FrameId {
  return xxh64(writer.reset().u8(TAG_NATIVE).str(kind).str(binaryId).u64(address).bytes());
}

export function namedFrameId(kind: string, functionName: string, file: string, line: number): FrameId {
  return xxh64(writer.reset().u8(TAG_NAMED).str(kind).str(functionName).str(file).u32(line).bytes());
}

export function anonymousFrameId(kind: string, mappingName: string): FrameId {
  return xxh64(writer.reset().u8(TAG_ANONYMOUS).str(kind).str(mappingName).bytes());
}

/** @param frames frame ids, root first. An empty stack has an id too. */
export function stackId(frames: readonly FrameId[]): StackId {
  writer.reset();
  for (const frame of frames) writer.u64(frame);
  return xxh64(writer.bytes());
}

/** @param labels name → value; the order of the entries does not matter, empty values count as absent. */
export function seriesId(labels: Iterable<readonly [string, string]>): SeriesId {
  const sorted = [...labels].filter(([, value]) => value !== '').sort(([a], [b]) => compareUtf8(a, b));
  writer.reset();
  for (const [name, value] of sorted) writer.str(name).str(value);
  return xxh64(writer.bytes());
}

/** Order of the UTF-8 bytes. For ASCII, which names of labels are, it is that of the text. */
function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x >= 0x80 || y >= 0x80) return Buffer.compare(Buffer.from(a), Buffer.from(b));
    if (x !== y) return x - y;
  }
  return a.length - b.length;
}
