import { anonymousFrameId, binaryId, namedFrameId, nativeFrameId } from '@perfleet/ids';
import { frameType, mappingBinary, type Dictionary } from '@perfleet/otlp';
import type { FrameRow } from './rows.ts';

const UNKNOWN = '[unknown]';
const MAX_LINE = 0xffff_ffff;
const EMPTY = { binaryId: '', address: 0n, function: '', file: '', line: 0 };

/**
 * Frames of a location, innermost first. With lines the node named it: each line is a frame. With a mapping alone it is
 * native code that the symbolizer names later. With neither all that is known is that there was code.
 */
export function framesOf(dictionary: Dictionary, location: number): FrameRow[] {
  const { locations, lines, functions, strings } = dictionary;
  const kind = frameType(dictionary, location);
  const mapping = locations.mapping[location]!;
  const { gnuBuildId, htlHash, filename } = mappingBinary(dictionary, mapping);
  const [from, to] = [locations.lineOffsets[location]!, locations.lineOffsets[location + 1]!];
  if (to > from)
    return Array.from({ length: to - from }, (_, i) => {
      const fn = lines.function[from + i]!;
      const name = strings[functions.name[fn]!] || strings[functions.systemName[fn]!] || UNKNOWN;
      const file = strings[functions.filename[fn]!]!;
      const line = Math.min(MAX_LINE, Math.max(0, lines.line[from + i]!));
      const id = namedFrameId(kind, name, file, line);
      return { ...EMPTY, id, kind, function: name, file, line, mapping: filename };
    });
  const address = locations.address[location]!;
  // `[anon]`, `[vdso]` and the like are mappings without a file: addresses in them mean nothing elsewhere.
  const known = (filename !== '' && !filename.startsWith('[')) || gnuBuildId !== '' || htlHash !== '';
  if (mapping !== 0 && known && (kind === 'native' || address !== 0n)) {
    const binary = binaryId({ gnuBuildId, htlHash, path: filename });
    const id = nativeFrameId(kind, binary, address);
    return [{ ...EMPTY, id, kind, binaryId: binary, address, mapping: filename || binary }];
  }
  const name = filename || UNKNOWN;
  return [{ ...EMPTY, id: anonymousFrameId(kind, name), kind, mapping: name }];
}
