import { nodeStateSchema, type NodeState } from '@perfleet/messages';
import type { z } from 'zod';

/** @returns null when the text is not one: a store is shared, and one bad entry must not hide the others. */
export function parseStored<T>(schema: z.ZodType<T>, text: string): T | null {
  try {
    const result = schema.safeParse(JSON.parse(text));
    return result.success ? result.data : null;
  } catch {
    return null;
  }
}

export function parseState(text: string): NodeState | null {
  return parseStored(nodeStateSchema, text);
}

export function parseAll<T>(schema: z.ZodType<T>, texts: Iterable<string>): T[] {
  return [...texts].map((text) => parseStored(schema, text)).filter((value) => value !== null);
}
