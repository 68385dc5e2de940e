import { describe, expect, it } from 'vitest';
import { clickhouseSql, sql, store, useTestApi } from '../api.fixture.ts';
import { ALLOWED_FUNCTIONS } from './allowed-functions.ts';
import { HIGHER_ORDER } from './special-arguments.ts';

useTestApi();

const PARAMS = { f: 'file', a: 'system', b: 'one', t: 'AggregateFunction(uniq, UInt64)' };
const FILE = "file('/etc/hostname')";

/** Places where an expression stands. */
const PLACES = [
  `SELECT ${FILE}`,
  `SELECT \`file\`('/etc/hostname')`,
  `SELECT "file" ('/etc/hostname')`,
  `SELECT/**/FiLe/**/('/etc/hostname')`,
  `SELECT arrayMap(x -> file(x), ['/etc/hostname'])`,
  `WITH (x -> file(x)) AS f SELECT f('/etc/hostname')`,
  `WITH ${FILE} AS x SELECT x`,
  `WITH x AS (SELECT ${FILE}) SELECT * FROM x`,
  `SELECT * REPLACE(${FILE} AS a) FROM (SELECT 1 AS a)`,
  `SELECT * FROM (SELECT 1 AS a) WHERE ${FILE} = ''`,
  `SELECT 1 QUALIFY ${FILE} = ''`,
  `SELECT count() FILTER (WHERE ${FILE} = '') FROM numbers(1)`,
  `SELECT sum(number) OVER (ORDER BY ${FILE}) FROM numbers(1)`,
  `SELECT 1 ORDER BY ${FILE}`,
  `SELECT 1 ORDER BY 1 WITH FILL FROM length(${FILE}) TO 9`,
  `SELECT 1 AS a ORDER BY a WITH FILL FROM 1 TO 2 INTERPOLATE (a AS ${FILE})`,
  `SELECT 1 LIMIT length(${FILE})`,
  `SELECT 1 LIMIT 1 BY ${FILE}`,
  `SELECT quantile(${FILE})(1)`,
  `SELECT * FROM numbers(length(${FILE}))`,
  `SELECT * FROM values('a String', ${FILE})`,
  `SELECT 1 FROM nodes JOIN node_events ON ${FILE} = ''`,
  `SELECT 1 FROM nodes ARRAY JOIN [${FILE}] AS x`,
  `SELECT CASE ${FILE} WHEN 1 THEN 2 END`,
  `SELECT 1 IN (SELECT ${FILE})`,
  `SELECT (SELECT ${FILE}) UNION ALL SELECT 'x'`,
  `SELECT arrayMap(file, ['/etc/hostname'])`,
  `SELECT arrayMap((file), ['/etc/hostname'])`,
  `SELECT arrayMap(file AS g, ['/etc/hostname'])`,
  `SELECT arrayMap({f:Identifier}, ['/etc/hostname'])`,
  `SELECT arraySort(file, ['/etc/hostname', '/etc/passwd'])`,
  `SELECT arrayFold(file, ['/etc/hostname'], '')`,
  `SELECT mapApply(file, map('a', 'b'))`,
];

const TABLES = [
  '`system`.`one`',
  'system/**/./**/one',
  '"system.one"',
  'default.samples',
  '{a:Identifier}.{b:Identifier}',
  '(SELECT * FROM frame_names)',
  'nodes, samples',
  'numbers((SELECT count() FROM system.one))',
  'view(SELECT 1)',
];

const TABLE_FUNCTIONS =
  `azureBlobStorage cluster clusterAllReplicas deltaLake dictionary executable file fileCluster fuzzJSON gcs generateRandom
   hdfs iceberg input jdbc loop merge mergeTreeIndex mergeTreeProjection mongodb mysql null odbc postgresql python Python redis remote
   remoteSecure s3 s3Cluster sqlite timeSeriesData url urlCluster view viewIfPermitted ytsaurus`.split(/\s+/);

const SCALARS =
  `addressToLine aes_decrypt_mysql authenticatedUser blockSerializedSize buildId catboostEvaluate connectionId currentDatabase
   currentUser decrypt demangle dictGet dictHas evalMLMethod filesystemCapacity fqdn getClientHTTPHeader getMacro getOSKernelVersion
   getServerSetting getSetting globalVariable hostName initialQueryID joinGet joinGetOrNull lemmatize partitionId queryID
   serverUUID showCertificate sleep sleepEachRow synonyms tcpPort throwIf transactionID tryDecrypt uptime user
   zookeeperSessionUptime finalizeAggregation initializeAggregation sumState sumMerge`.split(/\s+/);

const STATES = [
  `SELECT CAST(unhex('0a'), 'AggregateFunction(uniq, UInt64)')`,
  `SELECT unhex('01')::SimpleAggregateFunction(sum, UInt64)`,
  `SELECT CAST(unhex('0a'), '\\x41ggregateFunction(uniq, UInt64)')`,
  `SELECT CAST(unhex('0a'), 'Agg' || 'regateFunction(uniq, UInt64)')`,
  `SELECT cast(unhex('0a'), concat('Agg', 'regateFunction(uniq, UInt64)'))`,
  `SELECT accurateCast(unhex('0a'), lower('x') || 'y')`,
  `SELECT accurateCastOrDefault(unhex('0a'), 'Agg' || 'regateFunction(uniq, UInt64)', 1)`,
  `SELECT reinterpret(unhex('0a'), 'Agg' || 'regateFunction(uniq, UInt64)')`,
  `SELECT JSONExtract('{}', 'Agg' || 'regateFunction(uniq, UInt64)')`,
  `SELECT CAST(unhex('0a'), {t:String})`,
  `SELECT arrayReduce('sumState', [1])`,
  `SELECT arrayReduce('sum' || 'State', [1])`,
  `SELECT arrayReduceInRanges('sumState', [(1, 1)], [1])`,
];

const ASKS_FOR_CSV = 'select 1 format\nCSV';
const STATEMENTS = [
  "SELECT 1 INTO/**/OUTFILE '/tmp/x'",
  "SELECT 1 INTO OUTFILE '/tmp/x' APPEND",
  ASKS_FOR_CSV,
  '(SELECT 1) SETTINGS max_threads = 9',
  'WITH 1 AS x SELECT x SETTINGS allow_ddl = 1',
  'SELECT * FROM numbers(3, SETTINGS readonly = 0)',
  'SELECT 1 -- ; DROP TABLE samples',
  'SELECT 1 \u0000; DROP TABLE samples',
  "SELECT '\\x3b DROP TABLE samples'",
  "DESCRIBE (SELECT file('/etc/hostname'))",
  ...'EXISTS TABLE samples|CHECK TABLE samples|KILL QUERY WHERE 1|OPTIMIZE TABLE samples|USE system|WATCH samples'.split(
    '|',
  ),
  ...'ATTACH TABLE x|UNDROP TABLE x|DELETE FROM samples WHERE 1|CREATE FUNCTION f AS x -> file(x)'.split('|'),
  ...'CREATE TEMPORARY TABLE t AS SELECT 1|GRANT ALL ON *.* TO x|EXPLAIN QUERY TREE SELECT 1'.split('|'),
];

describe('what would reach beyond the views is refused', () => {
  const all = [
    ...PLACES,
    ...TABLES.map((table) => `SELECT * FROM ${table}`),
    ...TABLE_FUNCTIONS.map((name) => `SELECT * FROM ${name}('x')`),
    ...SCALARS.map((name) => `SELECT ${name}('x')`),
    ...STATES,
    ...STATEMENTS,
  ];
  it.each(all)('%s', async (query) => {
    const { status, body } = await sql(query, PARAMS);
    expect(status).toBe(400);
    // By the guard, and not because the engine happened to fail while it ran.
    expect(body.error?.message).toMatch(
      /not allowed|only SELECT|one statement only|must be (a literal|the name)|Syntax error/,
    );
  });

  it.each(all)('and on ClickHouse’s protocol %s', async (query) => {
    const search = Object.fromEntries(Object.entries(PARAMS).map(([name, value]) => [`param_${name}`, value]));
    // There the caller chooses the format.
    if (query === ASKS_FOR_CSV) return expect((await clickhouseSql(query)).text).toBe('1\n');
    const { status, text } = await clickhouseSql(query, { search });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(text).toMatch(/not allowed|only SELECT|one statement only|must be (a literal|the name)|Syntax error/);
  });

  it('knows every function of the engine that calls the function it is given by name', async () => {
    const calls: string[] = [];
    for (const name of ALLOWED_FUNCTIONS) {
      for (const args of ["file, ['x']", "file, map('a', 'x')", "file, 1, ['x']"]) {
        const message = await store.columns(`SELECT ${name}(${args})`).then(
          () => '',
          (error: Error) => error.message,
        );
        // Whoever looks the name up as a column finds none.
        if (!/identifier `file`|Unknown (aggregate )?function|Function with name/.test(message)) calls.push(name);
      }
    }
    // Fail on the number or the type of their arguments before they look at them.
    const others = ['CAST', 'exists', 'groupConcat', 'group_concat', 'string_agg', 'neighbor'];
    const unknown = [...new Set(calls)].filter((name) => !HIGHER_ORDER.has(name) && !others.includes(name));
    expect(unknown.filter((name) => !name.startsWith('runningDifference'))).toEqual([]);
    expect(calls).toEqual(expect.arrayContaining([...HIGHER_ORDER]));
  });
});

describe('what the engine cannot stop inside of one value is refused', () => {
  it.each(
    `editDistance editDistanceUTF8 levenshteinDistance damerauLevenshteinDistance jaroSimilarity jaroWinklerSimilarity ngrams
     stringJaccardIndex stringJaccardIndexUTF8 sparseGrams arrayLevenshteinDistance arraySimilarity arrayShingles arrayFold
     arrayReduceInRanges JSON_QUERY JSON_VALUE mapPopulateSeries multiFuzzyMatchAny flameGraph mannWhitneyUTest`.split(
      /\s+/,
    ),
  )('%s', async (name) => {
    expect((await sql(`SELECT ${name}('a', 'b')`)).body.error?.message).toBe(`function ${name} is not allowed`);
    const all = (await store.columns(`SELECT count() FROM system.functions WHERE name = '${name}'`)).rows;
    expect(all).toEqual([['1']]);
  });
});

describe('what would use too much is stopped, and the next answer is whole', () => {
  it.each([
    ['SELECT arrayJoin(range(20000))', 'larger than 10000 rows'],
    ['SELECT 1 AS a ORDER BY a WITH FILL FROM 1 TO 100000', 'larger than 10000 rows'],
    ['SELECT replicate(toUInt64(1), range(9000000))', 'MiB'],
    ['SELECT range(20000000)', 'greater than the allowed maximum'],
    ['SELECT count() FROM numbers(100000000000) WHERE number % 7 = 3', 'more rows than allowed'],
    ['SELECT range(1000000000)', 'greater than the allowed maximum'],
    ["SELECT repeat('x', 1000000000)", 'Too many times'],
    ["SELECT length(repeat(repeat('x', 1000000), 1000000))", 'Too large string size'],
    ['SELECT space(100000000000)', 'Too many times'],
    ["SELECT leftPad('a', 1000000000, 'b')", 'too big'],
    ['SELECT randomString(10000000000)', 'Too large string size'],
    ['SELECT arrayResize([1], 2000000000)', 'Too large array size'],
    [
      'WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count() FROM t',
      'recursive CTE evaluation depth',
    ],
    ['SELECT arrayJoin(range(100000)) AS a, arrayJoin(range(99999)) AS b', ''],
    [
      "SELECT sum(match(concat(repeat('a', 100000), toString(number)), '(.*)(.*)(.*)(.*)b')) FROM numbers(100000)",
      'memory',
    ],
    [
      "SELECT sum(length(replaceRegexpAll(concat(repeat('a', 1000000), toString(number)), '.*?', 'xx'))) FROM numbers(10000)",
      'memory',
    ],
    [
      "SELECT sum(length(extractAll(concat(repeat('a', 1000000), toString(number)), '(a|b)'))) FROM numbers(10000)",
      'memory',
    ],
    ["SELECT multiMatchAny(materialize('a'), ['(a{1,400}b{1,400}){1,20}', '.{1,1000}a.{1,1000}b'])", 'too slow'],
    [`SELECT 1 IN (${Array.from({ length: 40_000 }, (_, i) => i).join(',')})`, 'longer than 100000 characters'],
    [
      'SELECT count() FROM numbers(10) WHERE number IN (SELECT number FROM numbers(100000000000))',
      'more rows than allowed',
    ],
    ["SELECT repeat('x', 1000000) FROM numbers(10000)", ''],
    [`SELECT ${'(SELECT '.repeat(200)}1${')'.repeat(200)}`, ''],
    [`SELECT ${'['.repeat(5000)}${']'.repeat(5000)}`, ''],
    [`SELECT ${'not '.repeat(20000)}1`, ''],
    [`SELECT ${'('.repeat(3000)}1${')'.repeat(3000)}`, ''],
    ["SELECT match('a', '((a{1,1000}){1,1000}){1,1000}')", ''],
  ])('%s', async (query, why) => {
    const { status, body } = await sql(query);
    expect(body.error?.message).toContain(why);
    expect(status).toBe(400);
    expect((await sql('SELECT 1 AS a')).body.rows).toEqual([[1]]);
  });
});

it('functions by name, types and aggregates that are allowed still work', async () => {
  const { body } = await sql(
    "SELECT arrayMap(toString, [1]), arraySum([1, 2]), arrayReduce('quantile(0.5)', [1, 2, 3]), CAST(1, 'String'), 1::UInt8, arraySort([2, 1]), JSONExtract('{\"a\": 7}', 'a', 'UInt8')",
  );
  expect(body.error).toBeUndefined();
  expect(body.rows).toEqual([[['1'], '3', 2, '1', 1, [1, 2], 7]]);
});
