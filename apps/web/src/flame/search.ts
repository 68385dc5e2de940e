import type { FlameLayout } from './layout.ts';

export interface SearchResult {
  /** Per node: 1 when its function, file or module matches. */
  readonly matches: Uint8Array;
  /** Value under matching nodes, each sample counted once. */
  readonly value: number;
  readonly error: string | null;
}

/** @param text a regular expression, or plain text when it is not a valid one; case is ignored. */
export function searchFlameGraph(layout: FlameLayout, text: string): SearchResult | null {
  if (text === '') return null;
  let error: string | null = null;
  let test: (s: string) => boolean;
  try {
    const expression = new RegExp(text, 'i');
    test = (s) => expression.test(s);
  } catch {
    error = 'not a regular expression: searched as plain text';
    test = (s) => s.toLowerCase().includes(text.toLowerCase());
  }
  const hit = Uint8Array.from(layout.strings, (s) => (test(s) ? 1 : 0));
  const matches = new Uint8Array(layout.length);
  let value = 0;
  let skipUntil = 0;
  for (let i = 1; i < layout.length; i++) {
    if (hit[layout.name[i]!] || hit[layout.file[i]!] || hit[layout.module[i]!]) {
      matches[i] = 1;
      if (i >= skipUntil) {
        value += layout.total[i]!;
        skipUntil = layout.end[i]!;
      }
    }
  }
  return { matches, value, error };
}
