import { describe, expect, it } from 'vitest';
import { ALLOWED_FUNCTIONS } from './allowed-functions.ts';
import { parseAst } from './ast.ts';
import { commonTableNames, isAllowedFunction, PUBLIC_VIEWS, refusal, type Scope } from './guard.ts';

const scope: Scope = {
  views: PUBLIC_VIEWS,
  commonTables: new Set(['t', 'samples']),
  existing: new Set(['samples', 'profiles']),
};

/** A query with `lines` in the place of its expressions, and one table. */
const query = (expressions: string[], table = 'TableIdentifier profiles') =>
  parseAst([
    'SelectWithUnionQuery (children 1)',
    ' ExpressionList (children 1)',
    '  SelectQuery (children 2)',
    '   ExpressionList (children 1)',
    ...expressions.map((line) => `    ${line}`),
    '   TablesInSelectQuery (children 1)',
    '    TablesInSelectQueryElement (children 1)',
    '     TableExpression (children 1)',
    `      ${table}`,
  ]);

describe('parseAst', () => {
  it('reads type, name, children and parents', () => {
    const nodes = query(
      ['Function sum (alias s) (children 1)', ' ExpressionList (children 1)', "  Literal 'a (children 9)'"],
      'TableIdentifier db.x',
    );
    expect(nodes.map((n) => n.type).slice(3, 6)).toEqual(['ExpressionList', 'Function', 'ExpressionList']);
    expect(nodes[4]).toMatchObject({ name: 'sum', children: 1, parent: 3, depth: 4 });
    expect(nodes[6]).toMatchObject({ type: 'Literal', children: 0, parent: 5 });
    expect(nodes.at(-1)).toMatchObject({ type: 'TableIdentifier', name: 'db.x' });
    expect(nodes[nodes.at(-1)!.parent]?.type).toBe('TableExpression');
  });
});

describe('refusal', () => {
  it.each([
    ['Literal UInt64_1', 'TableIdentifier profiles'],
    ['Function SUM (children 1)', 'TableIdentifier t (alias x)'],
    ['Function sumIfOrNull (children 1)', 'Function numbers (children 1)'],
  ])('lets %s from %s run', (expression, table) => expect(refusal(query([expression], table), scope)).toBeNull());

  it.each([
    ['Function file (children 1)', 'TableIdentifier profiles', 'function file'],
    ['Function fileIf (children 1)', 'TableIdentifier profiles', 'function fileIf'],
    ['Function a weird one (alias sum) (children 1)', 'TableIdentifier profiles', 'function a weird one'],
    ['SomethingNew', 'TableIdentifier profiles', 'SomethingNew is not allowed'],
    ['ColumnsApplyTransformer', 'TableIdentifier profiles', 'APPLY'],
    ['Set', 'TableIdentifier profiles', 'SETTINGS'],
    ['Literal 1', 'TableIdentifier samples', 'table samples'],
    ['Literal 1', 'TableIdentifier unknown', 'table unknown'],
    ['Literal 1', 'TableIdentifier system.tables', 'table system.tables'],
    ['Literal 1', 'Function sum (children 1)', 'table function sum'],
    ['Literal 1', 'Function url (children 1)', 'table function url'],
  ])('refuses %s from %s', (expression, table, why) =>
    expect(refusal(query([expression], table), scope)).toContain(why),
  );

  it('refuses a table on the right side of IN, whatever its form', () => {
    for (const name of ['in', 'notIn', 'IN']) {
      const nodes = query([
        `Function ${name} (children 1)`,
        ' ExpressionList (children 2)',
        '  Identifier a',
        '  Identifier system.one',
      ]);
      expect(refusal(nodes, scope)).toContain('system.one');
    }
  });

  it('refuses what is no SELECT, and output options', () => {
    expect(refusal([], scope)).toContain('only one SELECT');
    expect(refusal(parseAst(['DropQuery  samples']), scope)).toContain('DropQuery');
    expect(refusal(parseAst(['SelectWithUnionQuery (children 2)']), scope)).toContain('FORMAT');
  });
});

describe('commonTableNames', () => {
  it('finds names that WITH gives, and none in strings', () => {
    const names = commonTableNames(
      "WITH\n    a AS\n    (\n        SELECT 'b AS (' AS x, `c AS (` AS d\n    ),\n    `e f` AS\n    (\n        SELECT 1\n    )\nSELECT 1",
    );
    expect([...names].sort()).toEqual(['a', 'e f']);
  });
});

describe('the list of functions', () => {
  it.each([
    'sum',
    'COUNT',
    'quantileIf',
    'groupArrayDistinct',
    'toStartOfHour',
    'in',
    'lambda',
    'if',
    'arrayMap',
    'caseWithExpression',
    'exists',
    '_CAST',
  ])('has %s', (name) => expect(isAllowedFunction(name)).toBe(true));

  it.each(
    (
      'file url sleep sleepEachRow dictGet dictHas joinGet getSetting getServerSetting getMacro hostName FQDN currentUser serverUUID logTrace ' +
      'addressToLine addressToSymbol demangle catboostEvaluate structureToCapnProtoSchema initializeAggregation filesystemAvailable fuzzQuery ' +
      'formatQuery showCertificate getClientHTTPHeader encrypt decrypt aiGenerate regionToName hasColumnInTable format chdb'
    ).split(' '),
  )('has not %s', (name) => expect(isAllowedFunction(name)).toBe(false));

  it('is a list of names', () => {
    expect(ALLOWED_FUNCTIONS.size).toBeGreaterThan(800);
    for (const name of ALLOWED_FUNCTIONS) expect(name).toMatch(/^\w+$/);
  });
});
