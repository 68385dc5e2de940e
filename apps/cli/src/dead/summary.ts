import { nodeEventSchema, parseJson, symbolsSchema, TOPICS } from '@perfleet/messages';
import { decodeProfiles } from '@perfleet/otlp';
import type { DeadLetter } from './letters.ts';

/** What a reader of the letter's topic makes of its body, in one line. Never throws. */
export function summarize({ topic, message }: DeadLetter): string {
  const { value } = message;
  if (value === null) return 'no body';
  if (topic.endsWith(TOPICS.profiles)) return ofProfiles(value);
  const schema = topic.endsWith(TOPICS.symbols)
    ? symbolsSchema
    : topic.endsWith(TOPICS.events)
      ? nodeEventSchema
      : null;
  if (!schema) return `${value.byteLength} bytes`;
  const parsed = parseJson<unknown>(schema, value);
  return parsed.ok ? 'can be read' : `cannot be read: ${parsed.error}`;
}

function ofProfiles(body: Uint8Array): string {
  try {
    const { resources, dictionary } = decodeProfiles(body);
    const profiles = resources.flatMap((resource) => resource.profiles);
    const samples = profiles.reduce((sum, profile) => sum + profile.samples.length, 0);
    return `OTLP profiles: ${resources.length} resources, ${profiles.length} profiles, ${samples} samples, ${dictionary.strings.length} strings`;
  } catch (error) {
    return `cannot be decoded as OTLP profiles: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const COLUMNS = 16;

/** As `hexdump -C` prints it: offset, bytes, and what of them is printable ASCII. */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += COLUMNS) {
    const row = [...bytes.subarray(at, at + COLUMNS)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(COLUMNS * 3 - 1)}  |${text}|`);
  }
  return lines.join('\n');
}
