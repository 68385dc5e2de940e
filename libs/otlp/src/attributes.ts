import type { AttributeValue, Dictionary, Ragged } from './model.ts';

/** OTLP semantic conventions that this project reads and writes. */
export const KEYS = {
  frameType: 'profile.frame.type',
  gnuBuildId: 'process.executable.build_id.gnu',
  htlHash: 'process.executable.build_id.htlhash',
  pid: 'process.pid',
  thread: 'thread.name',
} as const;

/** `perfleet.label.team = a` of a resource or sample is the label `team` of its series. */
export const LABEL_PREFIX = 'perfleet.label.';

/** The value of `key` among row `row`'s attributes, or undefined. */
export function attributeOf(
  dictionary: Dictionary,
  rows: Ragged,
  row: number,
  key: string,
): AttributeValue | undefined {
  for (let i = rows.offsets[row]!; i < rows.offsets[row + 1]!; i++) {
    const attribute = rows.values[i]!;
    if (dictionary.strings[dictionary.attributes.key[attribute] ?? 0] === key)
      return dictionary.attributes.value[attribute];
  }
  return undefined;
}

/** `profile.frame.type` of a location: `native` when the producer did not say. */
export function frameType(dictionary: Dictionary, location: number): string {
  const type = attributeOf(dictionary, dictionary.locations.attributes, location, KEYS.frameType);
  return typeof type === 'string' && type !== '' ? type : 'native';
}

/** Identity of a mapping; all empty for index 0 and for tables without it. */
export function mappingBinary(
  dictionary: Dictionary,
  mapping: number,
): { gnuBuildId: string; htlHash: string; filename: string } {
  if (mapping >= dictionary.mappings.filename.length) return { gnuBuildId: '', htlHash: '', filename: '' };
  const text = (key: string) => {
    const value = attributeOf(dictionary, dictionary.mappings.attributes, mapping, key);
    return typeof value === 'string' ? value : '';
  };
  return {
    gnuBuildId: text(KEYS.gnuBuildId),
    htlHash: text(KEYS.htlHash),
    filename: dictionary.strings[dictionary.mappings.filename[mapping]!]!,
  };
}
