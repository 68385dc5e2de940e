import { describe, expect, it } from 'vitest';
import {
  bindParams,
  formatClause,
  paramText,
  parseInsertFormat,
  quote,
  settingsList,
  splitStatements,
  unescapeText,
} from './sql-text.ts';

describe('splitStatements', () => {
  it('does not split inside strings, identifiers and comments', () => {
    const script = "-- a; b\nSELECT ';' AS `x;y`; /* ; */ SELECT 'it''s \\';' ;\n";
    expect(splitStatements(script)).toEqual(["SELECT ';' AS `x;y`", "/* ; */ SELECT 'it''s \\';'"]);
  });
});

describe('bindParams', () => {
  it('casts values, quotes identifiers and leaves strings alone', () => {
    expect(bindParams("SELECT {a : UInt8}, '{a:UInt8}' FROM {t:Identifier} -- {a:UInt8}", { a: '1', t: 'x`y' })).toBe(
      "SELECT _CAST('1', 'UInt8'), '{a:UInt8}' FROM `x\\`y` -- {a:UInt8}",
    );
  });
  it('takes values as a URL carries them: escaped, or quoted inside of an array', () => {
    const params = { a: "['x\\'','y']", s: 'x\\ty', n: '\\N' };
    expect(bindParams('{a:Array(String)} {s:String} {n:Nullable(UInt8)}', params, { escaped: true })).toBe(
      "_CAST('[\\'x\\\\\\'\\',\\'y\\']', 'Array(String)') _CAST('x\ty', 'String') NULL",
    );
  });
  it('keeps a map literal and refuses a missing value', () => {
    expect(bindParams("SELECT {'a': 1}", {})).toBe("SELECT {'a': 1}");
    expect(() => bindParams('{x:String}', {})).toThrow(/`x` is not set/);
  });
});

it('writes values as ClickHouse reads them', () => {
  expect(paramText(["a'b", null, 5n, [true]])).toBe("['a\\'b',NULL,5,[true]]");
  expect(paramText(new Date(0))).toBe('1970-01-01 00:00:00.000');
  expect(paramText(null)).toBeNull();
  expect(quote("\\'\0")).toBe("'\\\\\\'\\0'");
  expect(unescapeText('a\\tb\\\\n')).toBe('a\tb\\n');
  expect(unescapeText('\\N')).toBeNull();
  expect(settingsList({ a: 1, b: "x'" })).toBe("a = 1, b = 'x\\''");
  expect(() => settingsList({ 'a; DROP': 1 })).toThrow(/not an identifier/);
});

it('finds the format of a statement and the data of an insert', () => {
  expect(formatClause('SELECT 1 FORMAT CSV SETTINGS max_threads = 1;')).toBe('CSV');
  expect(formatClause("SELECT 'FORMAT CSV'")).toBeNull();
  // A text that looks like one would choose how the whole answer is written.
  expect(formatClause("SELECT 'FORMAT Template SETTINGS x' FROM t")).toBeNull();
  expect(formatClause('SELECT `FORMAT CSV SETTINGS` /* FORMAT CSV */')).toBeNull();
  expect(parseInsertFormat('INSERT INTO db.t (a, b) FORMAT JSONEachRow\n{"a":1}')).toEqual({
    into: 'db.t',
    columns: 'a, b',
    format: 'JSONEachRow',
    data: '{"a":1}',
  });
  expect(parseInsertFormat('INSERT INTO t SELECT 1')).toBeNull();
});
