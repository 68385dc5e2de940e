import type { AstNode } from './ast.ts';
import { SHOWN_SETTINGS } from './catalog.ts';

/**
 * Functions of ClickHouse 26.7 that call their first argument. It may be the bare name of a function: `arrayMap(file, ['/etc/x'])`
 * reads the file, and the parsed form shows an identifier and no function.
 */
export const HIGHER_ORDER: ReadonlySet<string> = new Set(
  `arrayAll arrayAvg arrayBottomK arrayCompact arrayCount arrayCumSum arrayCumSumNonNegative arrayDifference arrayExists
   arrayFill arrayFilter arrayFirst arrayFirstIndex arrayFirstOrNull arrayLast arrayLastIndex arrayLastOrNull arrayMap
   arrayMax arrayMin arrayPartialReverseSort arrayPartialSort arrayProduct arrayReverseFill arrayReverseSort arrayReverseSplit
   arraySort arraySplit arraySum arrayTopK mapAll mapApply mapExists mapFilter mapPartialReverseSort mapPartialSort mapReverseSort
   mapSort`.split(/\s+/),
);

/** Functions whose last argument names a type. */
const TYPED = new Set(
  `cast _cast accuratecast accuratecastornull reinterpret jsonextract jsonextractcaseinsensitive dynamicelement`.split(
    /\s+/,
  ),
);

/**
 * Refuses arguments that stand for a function or a type and cannot be judged by what is written.
 * @param args the function's arguments, in order
 * @param isAllowed whether a function of this name may be called
 */
export function argumentRefusal(
  name: string,
  args: readonly AstNode[],
  isAllowed: (name: string) => boolean,
): string | null {
  const [first] = args;
  if (HIGHER_ORDER.has(name) && first?.type === 'Identifier' && args.length > 1 && !isAllowed(first.name))
    return `function ${first.name} is not allowed; write what ${name} calls as a lambda, x -> …`;
  if (/^arrayReduce$/i.test(name)) {
    const aggregate = /^'(\w+)(\(.*\))?'$/.exec(first?.type === 'Literal' ? first.name : '')?.[1];
    if (aggregate === undefined) return `the first argument of ${name} must be the name of an aggregate function`;
    if (!isAllowed(aggregate)) return `function ${aggregate} is not allowed`;
  }
  const typed = TYPED.has(name.toLowerCase()) ? args.at(-1) : name === 'accurateCastOrDefault' ? args[1] : undefined;
  // A type that is put together would pass any check of the text; states of aggregate functions from bytes can end the engine.
  if (typed !== undefined && (typed.type !== 'Literal' || !typed.name.startsWith("'")))
    return `the type that ${name} is told must be a literal`;
  return null;
}

/** `getSetting` may be asked for what the catalogue shows anyway. */
export function settingRefusal([name, ...others]: readonly AstNode[]): string | null {
  const shown = (SHOWN_SETTINGS as readonly string[]).map((setting) => `'${setting}'`);
  if (others.length === 0 && name?.type === 'Literal' && shown.includes(name.name)) return null;
  return `function getSetting is not allowed but for ${SHOWN_SETTINGS.join(', ')}`;
}
