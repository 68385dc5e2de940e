import type { z } from 'zod';
import { budgetSchema, fleetConfigSchema, MAX_DOCUMENT_BYTES, overrideSchema, settingsSchema } from './document.ts';
import type { FleetConfig } from './document.ts';
import { filterRuleSchema, filtersSchema } from './filters.ts';

export type ParsedConfig =
  { readonly ok: true; readonly value: FleetConfig } | { readonly ok: false; readonly errors: readonly string[] };

/** Errors that are listed at most: one slip may repeat in a thousand overrides. */
const MAX_ERRORS = 20;

/** Every name that a field of a document may have, for hints. */
const FIELDS: readonly string[] = [
  ...new Set(
    [fleetConfigSchema, overrideSchema, settingsSchema, budgetSchema, filtersSchema, filterRuleSchema].flatMap(
      (schema) => Object.keys(schema.shape),
    ),
  ),
  ...['namespace', 'pod', 'podLabels', 'container', 'process', 'cgroup'],
];

/** Checks a whole document. Each error names the field (`overrides[2].settings.rateHz`) and what it must be. Never throws. */
export function parseFleetConfig(input: unknown): ParsedConfig {
  const bytes = sizeOf(input);
  if (bytes > MAX_DOCUMENT_BYTES) {
    const fix = 'fewer overrides with patterns (gpu-*) say the same';
    return {
      ok: false,
      errors: [`the document has ${bytes} bytes, at most ${MAX_DOCUMENT_BYTES} are allowed; ${fix}`],
    };
  }
  const result = fleetConfigSchema.safeParse(input);
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, errors: result.error.issues.flatMap(describe).slice(0, MAX_ERRORS) };
}

function sizeOf(input: unknown): number {
  try {
    return new TextEncoder().encode(JSON.stringify(input) ?? '').length;
  } catch {
    return 0; // What is no JSON (a cycle, say) fails the schema, too.
  }
}

function describe(issue: z.core.$ZodIssue): string[] {
  const at = fieldName(issue.path);
  if (issue.code !== 'unrecognized_keys') return [`${at || 'the document'}: ${issue.message}`];
  return issue.keys.map((key) => {
    if (key === 'rateHz' && /\.rules\[\d+\]$/.test(at))
      return `${at}.rateHz: a rate is one of nodes, in defaults or overrides; a rule states oneIn (one sample in so many is kept)`;
    const near = nearest(key);
    return `${at ? `${at}.` : ''}${key.slice(0, 100)}: there is no such field${near ? `; did you mean ${near}?` : ''}`;
  });
}

/** `["overrides", 2, "settings"]` -> `overrides[2].settings` */
export function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part)),
    '',
  );
}

/** The field's name that differs in at most two letters, or in its case only. */
export function nearest(key: string): string | null {
  if (key.length > 40) return null;
  const scored = FIELDS.map((name) => [distance(key.toLowerCase(), name.toLowerCase()), name] as const);
  const [best] = scored.sort((a, b) => a[0] - b[0]);
  return best && best[0] <= 2 ? best[1] : null;
}

/** Levenshtein's, row by row. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
