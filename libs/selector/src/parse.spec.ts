import { describe, expect, it } from 'vitest';
import { compileSelector } from './compile.ts';
import { formatSelector } from './format.ts';
import { compileLinks, LINK_DIGITS } from './links.ts';
import { MAX_MATCHERS, MAX_SELECTOR_BYTES, type MatchOperator, type Selector } from './model.ts';
import { parseSelector } from './parse.ts';

const parsed = (text: string): Selector => {
  const result = parseSelector(text);
  if (!result.ok) throw new Error(`${text}: ${result.error} at ${result.position}`);
  return result.value;
};

describe('parseSelector', () => {
  it.each([
    ['', '', []],
    ['  ', '', []],
    ['{}', '', []],
    [' { } ', '', []],
    ['cpu', 'cpu', []],
    ['cpu{}', 'cpu', []],
    ['off-cpu{}', 'off-cpu', []],
    ['process_cpu:cpu:nanoseconds:cpu:nanoseconds{}', 'process_cpu:cpu:nanoseconds:cpu:nanoseconds', []],
    ['{a="b"}', '', ['a = b']],
    ['{a="b",}', '', ['a = b']],
    ['cpu {a="b"}', 'cpu', ['a = b']],
    ['cpu{\n\ta = "b" ,\r\n c!=\'d\'\n}', 'cpu', ['a = b', 'c != d']],
    ['{a=~"x.*",b!~`\\d+`}', '', ['a =~ x.*', 'b !~ \\d+']],
    ['{k8s.pod.name="x"}', '', ['k8s.pod.name = x']],
    ['{"odd name"="x"}', '', ['odd name = x']],
    ['{a="}{,"}', '', ['a = }{,']],
    ['{a="",a="b"}', '', ['a = ', 'a = b']],
  ])('reads %j', (text, type, matchers) => {
    const value = parsed(text);
    expect(value.type).toBe(type);
    expect(value.matchers.map((m) => `${m.label} ${m.op} ${m.value}`)).toEqual(matchers);
  });

  it('reads the selector of the manual', () => {
    expect(parsed('cpu{service="checkout", namespace=~"shop.*", pod!="x", node!~"n[12]"}')).toEqual({
      type: 'cpu',
      matchers: [
        { label: 'service', op: '=', value: 'checkout' },
        { label: 'namespace', op: '=~', value: 'shop.*' },
        { label: 'pod', op: '!=', value: 'x' },
        { label: 'node', op: '!~', value: 'n[12]' },
      ],
    });
  });

  it.each([
    [String.raw`"a\"b"`, 'a"b'],
    [String.raw`'a\'b"'`, 'a\'b"'],
    [String.raw`"\\d+\n\t"`, '\\d+\n\t'],
    [String.raw`"\x41\101\u00e9\U0001F600"`, 'AAé😀'],
    ['`\\n"\'`', '\\n"\''],
    ['"é😀"', 'é😀'],
  ])('resolves the escapes of %s', (quoted, value) => {
    expect(parsed(`{a=${quoted}}`).matchers[0]?.value).toBe(value);
  });

  it.each([
    ['1cpu', 0, 'expected a profile type or {, found "1"'],
    ['cpu cpu', 4, 'expected { or the end, found "c"'],
    ['cpu{', 4, 'expected a label name or }, found the end'],
    ['{a}', 2, 'expected one of = != =~ !~, found "}"'],
    ['{a==“b”}', 3, 'expected a quoted value, found "="'],
    ['{a=b}', 3, 'expected a quoted value, found "b"'],
    ['{a>"b"}', 2, 'expected one of = != =~ !~, found ">"'],
    ['{a!"b"}', 2, 'expected one of'],
    ['{a="b" c="d"}', 7, 'expected , or }, found "c"'],
    ['{a="b",,}', 7, 'expected a label name or }, found ","'],
    ['{,}', 1, 'expected a label name or }, found ","'],
    ['{a="b"', 6, 'expected , or }, found the end'],
    ['{a="b', 5, 'expected a closing ", found the end'],
    ['{a=`b', 5, 'expected a closing `, found the end'],
    ['{a="b\\', 6, 'found the end'],
    ['{a="b"}}', 7, 'expected the end, found "}"'],
    ['{a="b"} ; DROP', 8, 'expected the end, found ";"'],
    ['{a="\\d"}', 4, 'unknown escape \\d'],
    ['{a="\\xg0"}', 4, '\\x wants 2 hexadecimal digits'],
    ['{a="\\ud800"}', 4, 'wants 4 hexadecimal digits of a Unicode code point'],
    ['{a="\\U00110000"}', 4, 'wants 8'],
    ['{a="\\400"}', 4, 'wants 3 octal'],
    ['{a="\\constructor"}', 4, 'unknown escape \\c'],
    ['{a="b\nc"}', 5, 'a line break inside a string'],
    ['{""="b"}', 1, 'expected a label name, found an empty string'],
    ['{😀="b"}', 1, 'found "😀"'],
  ])('refuses %j at %i', (text, position, error) => {
    const result = parseSelector(text);
    expect(result).toMatchObject({ ok: false, position });
    expect(result.ok ? '' : result.error).toContain(error);
  });

  it.each(['span_id', 'trace_id'] as const)('takes ids of %s, one or a list', (label) => {
    const [one, two] = ['aB'.repeat(LINK_DIGITS[label] / 2), '01'.repeat(LINK_DIGITS[label] / 2)];
    expect(compileLinks(parsed(`cpu{service="a", ${label}="${one}"}`))).toEqual({
      where: `lower(hex(${label})) IN {link1:Array(String)}`,
      params: { link1: [one.toLowerCase()] },
    });
    const selector = parsed(`{${label}=~"${one}|${two}", pod="p"}`);
    expect(compileLinks(selector)!.params).toEqual({ link0: [one.toLowerCase(), two] });
    expect(compileSelector(selector)).toEqual({ where: 'pod = {p1:String}', params: { p1: 'p' } });
    expect(parsed(formatSelector(selector))).toEqual(selector);
  });

  it.each([
    ['{span_id!="00f067aa0ba902b7"}', 8, 'span_id takes = or =~ with a list of ids, not !='],
    ['{a="b", trace_id !~ "x"}', 17, 'trace_id takes = or =~'],
    ['{span_id="00f067aa0ba902"}', 24, 'expected a span_id of 16 hexadecimal digits'],
    ['{span_id="00f067aa0ba902b7f"}', 27, 'expected a span_id of 16 hexadecimal digits'],
    ['{span_id=""}', 10, 'expected a span_id'],
    ['{span_id="00f067aa0ba902b7|00f067aa0ba902b8"}', 26, 'expected a span_id'],
    ['{span_id=~"00f067aa0ba902b7|"}', 28, 'several with | between them'],
    ['{span_id=~"00f067aa.*"}', 19, 'several with | between them'],
    ['{trace_id=~"\\x30"}', 11, 'expected a trace_id of 32'],
  ])('refuses ids as %j at %i', (text, position, error) => {
    const result = parseSelector(text);
    expect(result).toMatchObject({ ok: false, position });
    expect(result.ok ? '' : result.error).toContain(error);
  });

  it('bounds length, in bytes, and matchers', () => {
    const filled = (n: number) => `{a="${'x'.repeat(n - 6)}"}`;
    expect(parseSelector(filled(MAX_SELECTOR_BYTES)).ok).toBe(true);
    expect(parseSelector(filled(MAX_SELECTOR_BYTES + 1))).toMatchObject({
      ok: false,
      error: expect.stringContaining('8192'),
    });
    expect(parseSelector(`{a="${'é'.repeat(5000)}"}`).ok).toBe(false);
    const many = (n: number) => `{${Array.from({ length: n }, (_, i) => `l${i}="v"`).join(',')}}`;
    expect(parsed(many(MAX_MATCHERS)).matchers).toHaveLength(MAX_MATCHERS);
    expect(parseSelector(many(MAX_MATCHERS + 1))).toMatchObject({ ok: false, error: 'more than 64 matchers' });
  });
});

/** xorshift32: the same cases on every run. */
function* randoms(seed: number): Generator<number> {
  for (let x = seed; ;) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    yield x >>> 0;
  }
}

describe('properties', () => {
  const random = randoms(42);
  const below = (n: number) => (random.next().value as number) % n;
  const pick = <T>(of: readonly T[]): T => of[below(of.length)] as T;
  const alphabet = [
    'a',
    'Z',
    '"',
    "'",
    '`',
    '\\',
    '\n',
    '\t',
    '{',
    '}',
    ',',
    '=',
    '~',
    '!',
    ' ',
    'é',
    '😀',
    '\0',
    ';',
    '-',
  ];
  const word = (max: number) => Array.from({ length: below(max) }, () => pick(alphabet)).join('');

  it('gives back every selector it formats', () => {
    for (let i = 0; i < 2000; i++) {
      const selector: Selector = {
        type: pick(['', 'cpu', 'off-cpu', 'a:b_c']),
        matchers: Array.from({ length: below(6) }, () => ({
          label: pick(['service', 'k8s.pod.name', `x${word(4)}`]),
          op: pick<MatchOperator>(['=', '!=', '=~', '!~']),
          value: word(12),
        })),
      };
      expect(parsed(formatSelector(selector))).toEqual(selector);
    }
  });

  it('never throws, and an error points into the text', () => {
    for (let i = 0; i < 20_000; i++) {
      const text = pick(['', 'cpu{', '{a="', '{']) + word(16) + pick(['', '"}', '}']);
      const result = parseSelector(text);
      if (result.ok) continue;
      expect(result.position).toBeGreaterThanOrEqual(0);
      expect(result.position).toBeLessThanOrEqual(text.length);
      // What stands before the error is the beginning of something valid or wrong at the same place.
      expect(result.error).not.toBe('');
    }
  });
});
