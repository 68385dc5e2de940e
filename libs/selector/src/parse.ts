import {
  MATCH_OPERATORS,
  MAX_MATCHERS,
  MAX_SELECTOR_BYTES,
  type Matcher,
  type MatchOperator,
  type SelectorResult,
} from './model.ts';
import { isLinkLabel, linkIds, type LinkLabel } from './links.ts';
import { readQuoted } from './quoted.ts';

const SPACE = /[ \t\r\n]*/y;
/** Dots and dashes besides Prometheus' own characters: profile types are names such as `off-cpu`. */
const TYPE = /[A-Za-z_:][A-Za-z0-9_:.-]*/y;
const LABEL = /[A-Za-z_][A-Za-z0-9_.]*/y;

/** A refusal inside the parser; never leaves this file. */
class Refusal extends Error {
  constructor(
    message: string,
    readonly position: number,
  ) {
    super(message);
  }
}

/**
 * Parses `cpu{service="checkout", namespace=~"shop.*"}`. The type, the braces and a trailing comma are optional;
 * the empty text selects everything. A label name may be quoted, so that any name can be written.
 * Never throws; of several errors the first is told.
 */
export function parseSelector(text: string): SelectorResult {
  if (text.length > MAX_SELECTOR_BYTES || new TextEncoder().encode(text).length > MAX_SELECTOR_BYTES) {
    return {
      ok: false,
      error: `the selector is longer than ${MAX_SELECTOR_BYTES} bytes`,
      position: Math.min(text.length, MAX_SELECTOR_BYTES),
    };
  }
  try {
    return { ok: true, value: new Parser(text).parse() };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, error: error.message, position: error.position };
    throw error;
  }
}

class Parser {
  private at = 0;

  constructor(private readonly text: string) {}

  parse() {
    this.space();
    const type = this.take(TYPE);
    this.space();
    const matchers: Matcher[] = [];
    if (this.text[this.at] === '{') {
      this.at++;
      this.matchers(matchers);
      this.space();
      if (this.at < this.text.length) this.expected('the end');
    } else if (this.at < this.text.length) {
      this.expected(type === '' ? 'a profile type or {' : '{ or the end');
    }
    return { type, matchers };
  }

  private matchers(into: Matcher[]): void {
    for (;;) {
      this.space();
      if (this.skip('}')) return;
      if (into.length === MAX_MATCHERS) throw new Refusal(`more than ${MAX_MATCHERS} matchers`, this.at);
      into.push(this.matcher());
      this.space();
      if (this.skip('}')) return;
      if (!this.skip(',')) this.expected(', or }');
    }
  }

  private matcher(): Matcher {
    const label = this.isQuote() ? this.quoted('a label name') : this.take(LABEL);
    if (label === '') this.expected('a label name or }');
    this.space();
    const operatorAt = this.at;
    const op = this.operator();
    this.space();
    if (!this.isQuote()) this.expected('a quoted value');
    const valueAt = this.at;
    const matcher = { label, op, value: this.quoted() };
    if (isLinkLabel(label)) this.checkLink(label, matcher, operatorAt, valueAt);
    return matcher;
  }

  private checkLink(label: LinkLabel, matcher: Matcher, operatorAt: number, valueAt: number): void {
    const found = linkIds(label, matcher);
    if (found.ok) return;
    if (found.at === 'operator') throw new Refusal(found.error, operatorAt);
    // Escapes take more characters than they stand for: then the value as a whole is wrong.
    const asWritten = this.text.startsWith(matcher.value, valueAt + 1);
    throw new Refusal(found.error, asWritten ? valueAt + 1 + found.at : valueAt);
  }

  private operator(): MatchOperator {
    const two = this.text.slice(this.at, this.at + 2);
    const op = MATCH_OPERATORS.find((o) => o === two) ?? MATCH_OPERATORS.find((o) => o === two[0]);
    if (op === undefined) this.expected('one of = != =~ !~');
    this.at += op.length;
    return op;
  }

  private isQuote(): boolean {
    const c = this.text[this.at];
    return c === '"' || c === "'" || c === '`';
  }

  /** @param notEmpty what the string is, when it may not be empty */
  private quoted(notEmpty?: string): string {
    const start = this.at;
    const result = readQuoted(this.text, start);
    if (!result.ok) throw new Refusal(result.error, result.position);
    if (notEmpty && result.value === '') throw new Refusal(`expected ${notEmpty}, found an empty string`, start);
    this.at = result.end;
    return result.value;
  }

  private take(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? '';
    this.at += found.length;
    return found;
  }

  private space(): void {
    this.take(SPACE);
  }

  private skip(c: string): boolean {
    if (this.text[this.at] !== c) return false;
    this.at++;
    return true;
  }

  private expected(what: string): never {
    const code = this.text.codePointAt(this.at);
    const found = code === undefined ? 'the end' : JSON.stringify(String.fromCodePoint(code));
    throw new Refusal(`expected ${what}, found ${found}`, this.at);
  }
}
