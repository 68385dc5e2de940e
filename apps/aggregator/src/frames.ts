import { anonymousFrameId, binaryId, namedFrameId, nativeFrameId } from '@perfleet/ids';
import { frameType, mappingBinary, type Dictionary } from '@perfleet/otlp';
import type { FrameRow } from './rows.ts';

const UNKNOWN = '[unknown]';
const MAX_LINE = 0xffff_ffff;

/**
 * Frames of one location, innermost first. With lines the node named it: each line is a frame. With a mapping alone it
 * is native code that the symbolizer names later. With neither all that is known is that there was code.
 */
export function framesOfLocation(dictionary: Dictionary, location: number): FrameRow[] {
  const { locations, lines, functions, strings } = dictionary;
  const kind = frameType(dictionary, location);
  const mapping = locations.mapping[location] ?? 0;
  const binary = mappingBinary(dictionary, mapping);
  const from = locations.lineOffsets[location] ?? 0;
  const to = locations.lineOffsets[location + 1] ?? from;
  const address = locations.address[location] ?? 0n;
  if (to > from) {
    const named: FrameRow[] = [];
    for (let i = from; i < to; i++) {
      const fn = lines.function[i] ?? 0;
      const name = strings[functions.name[fn] ?? 0] || strings[functions.systemName[fn] ?? 0] || UNKNOWN;
      const file = strings[functions.filename[fn] ?? 0] ?? '';
      const line = Math.min(MAX_LINE, Math.max(0, Math.trunc(lines.line[i] ?? 0)));
      const id = namedFrameId(kind, name, file, line);
      named.push({ id, kind, binaryId: '', address: 0n, function: name, file, line, mapping: binary.filename });
    }
    return named;
  }
  // `[anon]`, `[vdso]` and the like are mappings without a file.
  const file = binary.filename !== '' && !binary.filename.startsWith('[');
  const known = file || binary.gnuBuildId !== '' || binary.htlHash !== '';
  if (mapping !== 0 && known && (kind === 'native' || address !== 0n)) {
    const id = binaryId({ gnuBuildId: binary.gnuBuildId, htlHash: binary.htlHash, path: binary.filename });
    const mappingName = binary.filename || id;
    return [
      {
        id: nativeFrameId(kind, id, address),
        kind,
        binaryId: id,
        address,
        function: '',
        file: '',
        line: 0,
        mapping: mappingName,
      },
    ];
  }
  const name = binary.filename || UNKNOWN;
  return [
    {
      id: anonymousFrameId(kind, name),
      kind,
      binaryId: '',
      address: 0n,
      function: '',
      file: '',
      line: 0,
      mapping: name,
    },
  ];
}
