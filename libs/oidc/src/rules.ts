import { checkLabels, SCOPES, type LabelLimits, type Scope } from '@perfleet/tokens';
import { z } from 'zod';

/** A machine's tokens are made by `perfleet token create --node` only. */
const SCOPES_OF_PEOPLE = SCOPES.filter((scope) => scope !== 'node');

const ruleSchema = z.strictObject({
  /** Claim whose text, or one of whose texts, is compared; dots lead into objects: `realm_access.roles`. */
  claim: z.string().min(1),
  values: z.array(z.string().min(1)).min(1),
  scopes: z.array(z.enum(SCOPES_OF_PEOPLE)).min(1),
  /** What reading is limited to: the values of a label that may be seen. */
  labels: z.record(z.string(), z.array(z.string().min(1)).min(1)).default({}),
  /** The same, with the values of a claim: label -> claim. */
  labelsFrom: z.record(z.string(), z.string().min(1)).default({}),
});

export const oidcRulesSchema = z.strictObject({ rules: z.array(ruleSchema).min(1) });
export type OidcRules = z.infer<typeof oidcRulesSchema>;
export type OidcRulesInput = z.input<typeof oidcRulesSchema>;

export interface Grant {
  readonly scopes: readonly Scope[];
  readonly labels: LabelLimits;
}

/** @throws Error that says what is wrong with the rules, one line for each fault */
export function parseRules(document: unknown): OidcRules {
  const result = oidcRulesSchema.safeParse(document);
  if (!result.success)
    throw new Error(
      result.error.issues.map(({ path, message }) => `${path.join('.') || 'document'}: ${message}`).join('\n'),
    );
  for (const { labels, labelsFrom, scopes } of result.data.rules)
    checkLabels({ ...labels, ...Object.fromEntries(Object.keys(labelsFrom).map((label) => [label, ['x']])) }, scopes);
  return result.data;
}

/**
 * What the first rule that matches gives. One whose labels come from a claim that holds nothing gives nothing: a limit that is missing
 * must never read as none.
 * @returns why nothing is given, as a text
 */
export function grantOf(claims: Readonly<Record<string, unknown>>, { rules }: OidcRules): Grant | string {
  for (const { claim, values, scopes, labels, labelsFrom } of rules) {
    if (!textsOf(claims, claim).some((text) => values.includes(text))) continue;
    const limits: Record<string, readonly string[]> = { ...labels };
    for (const [label, from] of Object.entries(labelsFrom)) {
      limits[label] = [...new Set(textsOf(claims, from))];
      if (limits[label].length === 0) return `the claim ${from}, which limits the label ${label}, holds nothing`;
    }
    try {
      checkLabels(limits, scopes);
    } catch (error) {
      return (error as Error).message;
    }
    return { scopes, labels: limits };
  }
  return `no rule matches its claims ${[...new Set(rules.map(({ claim }) => claim))].join(', ')}`;
}

/** Texts of a claim: itself, or those of its list. A name with dots is a claim's own name first (`https://example.com/groups`). */
function textsOf(claims: Readonly<Record<string, unknown>>, name: string): string[] {
  const value = Object.hasOwn(claims, name)
    ? claims[name]
    : name
        .split('.')
        .reduce<unknown>((at, key) => (isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined), claims);
  return [value].flat().filter((text): text is string => typeof text === 'string' && text !== '');
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
