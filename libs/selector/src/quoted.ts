export type QuotedResult =
  | { readonly ok: true; readonly value: string; readonly end: number }
  | { readonly ok: false; readonly error: string; readonly position: number };

const SIMPLE: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

const NUMERIC: Readonly<Record<string, { digits: number; pattern: RegExp; radix: number; from: number }>> = {
  x: { digits: 2, pattern: /^[0-9a-fA-F]{2}$/, radix: 16, from: 1 },
  u: { digits: 4, pattern: /^[0-9a-fA-F]{4}$/, radix: 16, from: 1 },
  U: { digits: 8, pattern: /^[0-9a-fA-F]{8}$/, radix: 16, from: 1 },
};
const OCTAL = { digits: 3, pattern: /^[0-3][0-7]{2}$/, radix: 8, from: 0 };

/**
 * Reads the string that starts with the quote at `start`: "…" and '…' with Go's escapes, `…` raw, as PromQL has them.
 * `end` is the index after the closing quote. `\xHH` and `\OOO` name a code point below 256.
 */
export function readQuoted(text: string, start: number): QuotedResult {
  const quote = text[start] ?? '';
  if (quote === '`') {
    const close = text.indexOf('`', start + 1);
    if (close < 0) return unterminated(text, quote);
    return { ok: true, value: text.slice(start + 1, close), end: close + 1 };
  }
  let value = '';
  let at = start + 1;
  while (at < text.length) {
    const c = text[at] as string;
    if (c === quote) return { ok: true, value, end: at + 1 };
    if (c === '\n')
      return { ok: false, error: `a line break inside a string; write \\n, or use backquotes`, position: at };
    if (c !== '\\') {
      value += c;
      at++;
      continue;
    }
    const escape = readEscape(text, at);
    if (!escape.ok) return escape;
    value += escape.value;
    at = escape.end;
  }
  return unterminated(text, quote);
}

/** @param at index of the backslash */
function readEscape(text: string, at: number): QuotedResult {
  const c = text[at + 1];
  if (c === undefined) return unterminated(text, 'the string’s quote');
  const simple = SIMPLE[c];
  if (simple !== undefined) return { ok: true, value: simple, end: at + 2 };
  const numeric = /[0-7]/.test(c) ? OCTAL : Object.hasOwn(NUMERIC, c) ? NUMERIC[c] : undefined;
  if (!numeric) {
    return {
      ok: false,
      error: `unknown escape \\${c}; in a regular expression write the backslash twice, or use backquotes`,
      position: at,
    };
  }
  const from = at + 1 + numeric.from;
  const digits = text.slice(from, from + numeric.digits);
  const code = numeric.pattern.test(digits) ? parseInt(digits, numeric.radix) : NaN;
  if (!(code <= 0x10ffff) || (code >= 0xd800 && code <= 0xdfff)) {
    return {
      ok: false,
      error: `\\${c} wants ${numeric.digits} ${numeric.radix === 8 ? 'octal' : 'hexadecimal'} digits of a Unicode code point`,
      position: at,
    };
  }
  return { ok: true, value: String.fromCodePoint(code), end: from + numeric.digits };
}

function unterminated(text: string, quote: string): QuotedResult {
  return { ok: false, error: `expected a closing ${quote}, found the end`, position: text.length };
}
