/** What a body or a query string of Pyroscope's `/ingest` says is wrong. */
export class IngestTextError extends Error {
  override readonly name = 'IngestTextError';
}

/** `name` of `/ingest`: `shop.checkout{region=eu,pod="x"}` (https://grafana.com/docs/pyroscope/latest/reference-server-api/). */
export interface IngestName {
  readonly app: string;
  readonly labels: ReadonlyArray<readonly [string, string]>;
}

/** @throws IngestTextError */
export function parseIngestName(text: string): IngestName {
  const open = text.indexOf('{');
  const app = (open < 0 ? text : text.slice(0, open)).trim();
  if (app === '') throw new IngestTextError('name is missing: give it as ?name=service or ?name=service{label=value}');
  if (open < 0) return { app, labels: [] };
  const inside = text.slice(open + 1).trimEnd();
  if (!inside.endsWith('}')) throw new IngestTextError('name: a } is missing at its end');
  const labels = inside
    .slice(0, -1)
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const equals = part.indexOf('=');
      if (equals <= 0) throw new IngestTextError(`name: ${part.trim().slice(0, 100)} is not label=value`);
      const value = part.slice(equals + 1).trim();
      return [part.slice(0, equals).trim(), value.replace(/^"(.*)"$/s, '$1')] as const;
    });
  return { app, labels };
}

/** Stacks by their text, root first, `;` between frames. */
export type FoldedStacks = ReadonlyMap<string, number>;

export interface FoldedLimits {
  /** Distinct stacks. */
  readonly stacks: number;
  readonly depth: number;
}

/**
 * Folded stacks: with `groups` each line ends with a space and its count, with `lines` each line counts one.
 * @throws IngestTextError that names the line
 */
export function parseFolded(text: string, format: 'groups' | 'lines', limits: FoldedLimits): FoldedStacks {
  const stacks = new Map<string, number>();
  let number = 0;
  for (const raw of text.split('\n')) {
    number++;
    const line = raw.trim();
    if (line === '') continue;
    const { stack, count } = format === 'lines' ? { stack: line, count: 1 } : counted(line, number);
    let depth = 1;
    for (let at = stack.indexOf(';'); at >= 0; at = stack.indexOf(';', at + 1)) depth++;
    if (depth > limits.depth) throw new IngestTextError(`line ${number}: more than ${limits.depth} frames`);
    stacks.set(stack, (stacks.get(stack) ?? 0) + count);
    if (stacks.size > limits.stacks) throw new IngestTextError(`more than ${limits.stacks} stacks`);
  }
  return stacks;
}

function counted(line: string, number: number): { stack: string; count: number } {
  const match = /^(.*\S)\s+(\d{1,15})$/.exec(line);
  if (!match) throw new IngestTextError(`line ${number}: expected "frame;frame count"`);
  return { stack: match[1]!, count: Number(match[2]) };
}
