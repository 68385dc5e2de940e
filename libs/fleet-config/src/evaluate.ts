import type { FilterMatch, FilterRule, Filters } from './filters.ts';
import { matchesPattern } from './pattern.ts';

/** A pod that says `"false"` by one of these annotations is never profiled, whatever the rules say. */
export const OPT_OUT_ANNOTATIONS = ['perfleet.dev/profile', 'perfleet.io/profile'] as const;

type Texts = Readonly<Record<string, string>>;

/** What rules ask a process for. `null` = it has none, `undefined` = not known (yet). */
export interface FilterTarget {
  readonly namespace: string | null | undefined;
  readonly pod: string | null | undefined;
  readonly podLabels: Texts | null | undefined;
  /** Of the pod; those of OPT_OUT_ANNOTATIONS are enough. */
  readonly annotations: Texts | null | undefined;
  /** Its name in the pod; of a container without a pod its id. */
  readonly container: string | null | undefined;
  readonly process: string | undefined;
  /** Paths inside the hierarchies. */
  readonly cgroups: readonly string[];
  /** `cgroups` may lack some. */
  readonly moreCgroups: boolean;
}

/**
 * `unless-opted-out`: the rules include it, and the annotations of its pod are not known.
 * `unknown`: the rules would decide one way or the other by what is not known.
 */
export type Verdict = 'include' | 'exclude' | 'unless-opted-out' | 'unknown';

export interface CompiledFilters {
  /** Rules decide nothing: everything is included that did not opt out. */
  readonly trivial: boolean;
  /** Some rule asks for the path of a cgroup. */
  readonly asksCgroups: boolean;
  /** Some rule keeps one sample in so many. */
  readonly thins: boolean;
  decide(target: FilterTarget): Verdict;
  /** One sample in so many is kept of what is included: 1 = every one, also where that is not known (yet). */
  oneIn(target: FilterTarget): number;
}

/** Does it match? `null` = that depends on what is not known. */
type Test<T> = (value: T) => boolean | null;

/** Rules in the form in which they are asked millions of times. Time for a target is bounded by all patterns × its longest text. */
export function compileFilters({ rules, otherwise }: Filters): CompiledFilters {
  const compiled = rules.map(({ match, ...rule }: FilterRule) => ({ ...rule, test: compileMatch(match) }));
  return {
    trivial: otherwise === 'include' && rules.every(({ action }) => action === 'include'),
    asksCgroups: rules.some(({ match }) => match.cgroup !== undefined),
    thins: rules.some(({ oneIn }) => oneIn !== undefined),
    oneIn(target) {
      for (const { oneIn = 1, test } of compiled) {
        const matches = test(target);
        if (matches !== false) return matches ? oneIn : 1;
      }
      return 1;
    },
    decide(target) {
      if (optedOut(target.annotations)) return 'exclude';
      let outcome: 'include' | 'exclude' | null = null;
      for (const { action, test } of compiled) {
        const matches = test(target);
        if (matches === false) continue;
        if (outcome !== null && outcome !== action) return 'unknown';
        outcome = action;
        if (matches) return known(action, target);
      }
      return outcome !== null && outcome !== otherwise ? 'unknown' : known(otherwise, target);
    },
  };
}

function known(outcome: 'include' | 'exclude', { annotations }: FilterTarget): Verdict {
  return outcome === 'include' && annotations === undefined ? 'unless-opted-out' : outcome;
}

function optedOut(annotations: Texts | null | undefined): boolean {
  if (!annotations) return false;
  return OPT_OUT_ANNOTATIONS.some(
    (name) => Object.hasOwn(annotations, name) && annotations[name]!.trim().toLowerCase() === 'false',
  );
}

function compileMatch(match: FilterMatch): Test<FilterTarget> {
  const tests: Array<Test<FilterTarget>> = [];
  for (const field of ['process', 'namespace', 'pod', 'container'] as const) {
    const patterns = match[field];
    if (!patterns) continue;
    const any = compilePatterns(patterns);
    tests.push((target) => ofText(target[field], any));
  }
  for (const [name, patterns] of Object.entries(match.podLabels ?? {})) {
    const any = compilePatterns(patterns);
    tests.push(({ podLabels }) => {
      if (!podLabels) return podLabels === undefined ? null : false;
      return Object.hasOwn(podLabels, name) && any(podLabels[name]!);
    });
  }
  if (match.cgroup) {
    const any = compilePatterns(match.cgroup);
    tests.push(({ cgroups, moreCgroups }) => cgroups.some(any) || (moreCgroups ? null : false));
  }
  return (target) => {
    let all: boolean | null = true;
    for (const test of tests) {
      const matches = test(target);
      if (matches === false) return false;
      if (matches === null) all = null;
    }
    return all;
  };
}

function ofText(text: string | null | undefined, any: (text: string) => boolean): boolean | null {
  if (text === undefined) return null;
  return text !== null && any(text);
}

/** Names without a wildcard, which most are, cost one look-up together. */
function compilePatterns(patterns: readonly string[]): (text: string) => boolean {
  const names = new Set(patterns.filter((pattern) => !/[*?]/.test(pattern)));
  const wild = patterns.filter((pattern) => !names.has(pattern));
  return (text) => names.has(text) || wild.some((pattern) => matchesPattern(pattern, text));
}
