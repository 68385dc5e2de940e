import { ALLOWED_FUNCTIONS } from './allowed-functions.ts';
import type { AstNode } from './ast.ts';
import { argumentRefusal, settingRefusal } from './special-arguments.ts';
import { CATALOG_NAMES } from './catalog.ts';

/** The stable views of the SQL interface; everything else in the store is internal. */
export const PUBLIC_VIEWS = [
  'profiles',
  'functions',
  'spans',
  'nodes',
  'node_events',
  'alert_history',
  'deliveries',
  'coverage',
  'coverage_windows',
  'unresolved_binaries',
] as const;

const TABLE_FUNCTIONS = new Set(['numbers', 'zeros', 'generate_series', 'generateSeries', 'values']);

/** What a read-only query is made of. A node that is not here is refused, known or not. */
const NODE_TYPES = new Set([
  'ArrayJoin',
  'Asterisk',
  'ColumnsExceptTransformer',
  'ColumnsListMatcher',
  'ColumnsRegexpMatcher',
  'ColumnsReplaceTransformer',
  'ColumnsReplaceTransformer::Replacement',
  'ColumnsTransformerList',
  'ExpressionList',
  'Function',
  'Identifier',
  'InterpolateElement',
  'Literal',
  'OrderByElement',
  'QualifiedAsterisk',
  'QualifiedColumnsListMatcher',
  'QualifiedColumnsRegexpMatcher',
  'SampleRatio',
  'SelectIntersectExceptQuery',
  'SelectQuery',
  'SelectWithUnionQuery',
  'Subquery',
  'TableExpression',
  'TableIdentifier',
  'TableJoin',
  'TablesInSelectQuery',
  'TablesInSelectQueryElement',
  'WindowDefinition',
  'WindowListElement',
  'WithElement',
]);

const REASONS: Readonly<Record<string, string>> = {
  ColumnsApplyTransformer: 'APPLY is not allowed; write the function for each column',
  Set: 'SETTINGS is not allowed; limits are the server’s',
};

/** Suffixes that make a new aggregate function of another, e.g. sumIf. */
const COMBINATOR = /(If|Array|Map|Distinct|OrDefault|OrNull|ForEach|ArgMin|ArgMax|Resample)$/;

export interface Scope {
  /** What the caller may read. */
  readonly views: readonly string[];
  /** Names that WITH gives to subqueries. */
  readonly commonTables: ReadonlySet<string>;
  /** Tables and views that exist, so that a name of WITH cannot stand for an internal one. */
  readonly existing: ReadonlySet<string>;
}

/** Decides on the parsed form. @returns why the query is refused, or null when it may run */
export function refusal(nodes: readonly AstNode[], scope: Scope): string | null {
  const root = nodes[0];
  if (root?.type !== 'SelectWithUnionQuery') return `only one SELECT is allowed, not ${root?.type ?? 'nothing'}`;
  for (const [i, node] of nodes.entries()) {
    const why = refusalOf(node, i, nodes, scope);
    if (why !== null) return why;
  }
  return null;
}

function refusalOf(node: AstNode, index: number, nodes: readonly AstNode[], scope: Scope): string | null {
  if (!NODE_TYPES.has(node.type)) return REASONS[node.type] ?? `${node.type} is not allowed in a query`;
  const parent = nodes[node.parent];
  switch (node.type) {
    case 'SelectWithUnionQuery':
      // Output options are further children of the query; they would write a file or change the answer's format.
      return node.children > 1 ? 'INTO OUTFILE, FORMAT and SETTINGS are not allowed; the answer has one format' : null;
    case 'TableIdentifier':
      return tableRefusal(node.name, scope);
    case 'Function':
      if (parent?.type === 'TableExpression') {
        return TABLE_FUNCTIONS.has(node.name) ? null : `table function ${node.name} is not allowed`;
      }
      if (node.name === 'getSetting') return settingRefusal(argumentsOf(index, nodes));
      if (!isAllowedFunction(node.name)) return `function ${node.name} is not allowed`;
      if (/^(not)?(null)?in$/i.test(node.name)) return inRefusal(index, nodes, scope);
      return argumentRefusal(node.name, argumentsOf(index, nodes), isAllowedFunction);
    default:
      return null;
  }
}

function tableRefusal(name: string, { views, commonTables, existing }: Scope): string | null {
  if (views.includes(name) || CATALOG_NAMES.includes(name)) return null;
  if (/^\w+$/.test(name) && commonTables.has(name) && !existing.has(name)) return null;
  const known = (PUBLIC_VIEWS as readonly string[]).includes(name);
  return `table ${name} is not allowed${known ? ' for a token with labels' : ''}; the public views are ${views.join(', ')}`;
}

function argumentsOf(index: number, nodes: readonly AstNode[]): AstNode[] {
  const list = nodes.findIndex((n) => n.parent === index && n.type === 'ExpressionList');
  return list < 0 ? [] : nodes.filter((n) => n.parent === list);
}

/** `x IN name` reads a table when there is one of that name. */
function inRefusal(index: number, nodes: readonly AstNode[], scope: Scope): string | null {
  const right = argumentsOf(index, nodes)[1];
  return right?.type === 'Identifier' ? tableRefusal(right.name, scope) : null;
}

export function isAllowedFunction(name: string): boolean {
  for (let base = name; ;) {
    if (ALLOWED_FUNCTIONS.has(base) || ALLOWED_FUNCTIONS.has(base.toLowerCase())) return true;
    const shorter = base.replace(COMBINATOR, '');
    if (shorter === base || shorter === '') return false;
    base = shorter;
  }
}

const TOKEN = /'(?:\\.|[^'\\])*'|`((?:\\.|[^`\\])*)`|"((?:\\.|[^"\\])*)"|(\w+)|([^\s\w])/gs;

/** Names that WITH gives to subqueries, from the canonical text that `formatQuery` writes: `name AS (SELECT`. */
export function commonTableNames(canonical: string): Set<string> {
  const tokens = [...canonical.matchAll(TOKEN)].map((m) => m[1] ?? m[2] ?? m[3] ?? m[4] ?? '');
  const names = new Set<string>();
  tokens.forEach((token, i) => {
    if (tokens[i + 1] === 'AS' && tokens[i + 2] === '(') names.add(token);
  });
  return names;
}
