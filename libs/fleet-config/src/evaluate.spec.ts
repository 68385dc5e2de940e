import { describe, expect, it } from 'vitest';
import { compileFilters, OPT_OUT_ANNOTATIONS, type FilterTarget, type Verdict } from './evaluate.ts';
import type { FilterMatch, FilterRule, Filters } from './filters.ts';
import { matchesAny } from './pattern.ts';

const POD: FilterTarget = {
  ...{ namespace: 'shop', pod: 'web-1', podLabels: { app: 'web' }, annotations: {}, container: 'app', process: 'java' },
  ...{ cgroups: ['/kubepods/podx/c1'], moreCgroups: false },
};
const HOST: FilterTarget = {
  ...{ namespace: null, pod: null, podLabels: null, annotations: null, container: null, process: 'sshd' },
  ...{ cgroups: ['/system.slice/ssh.service'], moreCgroups: false },
};
/** In a pod that nobody has told of yet. */
const NEW: FilterTarget = {
  ...POD,
  ...{ namespace: undefined, pod: undefined, podLabels: undefined, annotations: undefined, container: undefined },
};
const rule = (action: FilterRule['action'], match: FilterMatch): FilterRule => ({ action, match });
const decide = (filters: Partial<Filters>, target: FilterTarget): Verdict =>
  compileFilters({ rules: [], otherwise: 'include', ...filters }).decide(target);

describe('filters', () => {
  it('ask rules in their order: the first that matches decides, else `otherwise`', () => {
    const rules = [rule('include', { process: ['java'] }), rule('exclude', { namespace: ['sh*'] })];
    expect(decide({ rules }, POD)).toBe('include');
    expect(decide({ rules: rules.toReversed() }, POD)).toBe('exclude');
    expect(decide({ rules, otherwise: 'exclude' }, HOST)).toBe('exclude');
    expect(decide({ rules }, HOST)).toBe('include');
  });

  it('match by every field, all that are stated together', () => {
    const fields: FilterMatch[] = [
      { namespace: ['x', 'shop'] },
      { pod: ['web-?'] },
      { podLabels: { app: ['w*'] } },
      { container: ['app'] },
      { process: ['jav?'] },
      { cgroup: ['/kubepods*'] },
    ];
    for (const match of [...fields, Object.assign({}, ...fields) as FilterMatch]) {
      expect(decide({ rules: [rule('exclude', match)] }, POD), JSON.stringify(match)).toBe('exclude');
      expect(decide({ rules: [rule('exclude', { ...match, process: ['other'] })] }, POD)).toBe('include');
      // Outside of any pod it has none of that.
      expect(decide({ rules: [rule('exclude', match)] }, HOST), JSON.stringify(match)).toBe('include');
    }
    expect(decide({ rules: [rule('exclude', { podLabels: { toString: ['*'] } })] }, POD)).toBe('include');
    expect(decide({ rules: [rule('exclude', { podLabels: { app: ['web'], tier: ['*'] } })] }, POD)).toBe('include');
  });

  it('say of what is included that one sample in so many is kept, once it is known', () => {
    const rules: FilterRule[] = [
      { ...rule('include', { podLabels: { app: ['batch'] } }), oneIn: 100 },
      { ...rule('include', { namespace: ['shop'] }), oneIn: 10 },
    ];
    const filters = compileFilters({ rules, otherwise: 'include' });
    expect([POD, HOST, NEW].map((target) => filters.oneIn(target))).toEqual([10, 1, 1]);
    expect(filters.oneIn({ ...POD, podLabels: { app: 'batch' } })).toBe(100);
    expect(filters.oneIn({ ...POD, podLabels: undefined }), 'it may be the first one').toBe(1);
    expect([filters.thins, compileFilters({ rules: [], otherwise: 'include' }).thins]).toEqual([true, false]);
  });

  it('never include a pod that opted out', () => {
    for (const name of OPT_OUT_ANNOTATIONS) {
      const target = { ...POD, annotations: { [name]: 'false' } };
      expect(decide({ rules: [rule('include', { namespace: ['*'] })] }, target)).toBe('exclude');
      expect(decide({}, { ...POD, annotations: { [name]: ' False' } })).toBe('exclude');
      for (const value of ['true', '', 'no'])
        expect(decide({}, { ...POD, annotations: { [name]: value } })).toBe('include');
    }
    expect(decide({}, NEW)).toBe('unless-opted-out');
    expect(decide({ rules: [rule('include', { process: ['java'] })], otherwise: 'exclude' }, NEW)).toBe(
      'unless-opted-out',
    );
  });

  it('say `unknown` only where what is not known decides', () => {
    const exclude = rule('exclude', { namespace: ['secret'] });
    expect(decide({ rules: [exclude] }, NEW)).toBe('unknown');
    expect(decide({ rules: [exclude], otherwise: 'exclude' }, NEW)).toBe('exclude');
    expect(decide({ rules: [rule('exclude', { process: ['java'] }), exclude] }, NEW)).toBe('exclude');
    expect(decide({ rules: [rule('exclude', { process: ['perl'], namespace: ['secret'] })] }, NEW)).toBe(
      'unless-opted-out',
    );
    expect(decide({ rules: [rule('exclude', { cgroup: ['/a'] })] }, { ...HOST, moreCgroups: true })).toBe('unknown');
    expect(decide({ rules: [rule('exclude', { process: ['x'] })] }, { ...HOST, process: undefined })).toBe('unknown');
  });
});

/** mulberry32: a run can be repeated by its seed. */
function random(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

describe('filters on random rules and processes', () => {
  const int = random(5);
  const one = <T>(values: readonly T[]): T => values[int(values.length)]!;
  const TEXTS = ['a', 'b', 'ab', 'ba'];
  const PATTERNS = [...TEXTS, 'a*', '*b', '?', '*'];
  const patterns = () => Array.from({ length: 1 + int(2) }, () => one(PATTERNS));
  const NAMES = ['namespace', 'pod', 'container', 'process', 'cgroup', 'podLabels'] as const;
  const randomRule = (): FilterRule => {
    const match: Record<string, unknown> = {};
    for (let n = 1 + int(2); n > 0; n--) {
      const name = one(NAMES);
      match[name] = name === 'podLabels' ? { [one(['l', 'm'])]: patterns() } : patterns();
    }
    return rule(one(['include', 'exclude']), match as FilterMatch);
  };
  const randomFilters = (): Filters => ({
    rules: Array.from({ length: int(5) }, randomRule),
    otherwise: one(['include', 'exclude']),
  });
  const randomTarget = (): FilterTarget => {
    const inPod = int(3) > 0;
    const pod = <T>(value: T) => (inPod ? value : null);
    const annotations: Record<string, string> = int(5) === 0 ? { [OPT_OUT_ANNOTATIONS[0]]: 'false' } : {};
    return {
      ...{
        namespace: pod(one(TEXTS)),
        pod: pod(one(TEXTS)),
        container: pod(one(TEXTS)),
        annotations: pod(annotations),
      },
      podLabels: pod<Record<string, string>>({ l: one(TEXTS), ...(int(2) && { m: one(TEXTS) }) }),
      ...{ process: one(TEXTS), cgroups: [one(TEXTS), one(TEXTS)], moreCgroups: false },
    };
  };
  /** As the documentation says it, in so many words. */
  const oracle = ({ rules, otherwise }: Filters, target: FilterTarget): Verdict => {
    if (target.annotations?.[OPT_OUT_ANNOTATIONS[0]] === 'false') return 'exclude';
    const matches = ({ match }: FilterRule) =>
      Object.entries(match).every(([name, wanted]) => {
        if (name === 'cgroup') return target.cgroups.some((path) => matchesAny(wanted as string[], path));
        if (name === 'podLabels')
          return Object.entries(wanted as Record<string, string[]>).every(
            ([label, each]) => target.podLabels?.[label] !== undefined && matchesAny(each, target.podLabels[label]!),
          );
        const text = target[name as 'pod'];
        return typeof text === 'string' && matchesAny(wanted as string[], text);
      });
    return rules.find(matches)?.action ?? otherwise;
  };

  it('decide as the first rule that matches says', () => {
    const seen = { include: 0, exclude: 0 };
    for (let i = 0; i < 20_000; i++) {
      const [filters, target] = [randomFilters(), randomTarget()];
      const expected = oracle(filters, target) as 'include' | 'exclude';
      expect(compileFilters(filters).decide(target), JSON.stringify({ filters, target })).toBe(expected);
      seen[expected]++;
    }
    expect(Math.min(seen.include, seen.exclude)).toBeGreaterThan(4000);
  });

  it('never take back what they said of a process of which less was known', () => {
    let decided = 0;
    for (let i = 0; i < 20_000; i++) {
      const [filters, whole] = [randomFilters(), randomTarget()];
      const hide = <T>(value: T) => (int(2) ? value : undefined);
      const known = int(2) === 0;
      const partial: FilterTarget = {
        ...{ namespace: hide(whole.namespace), pod: hide(whole.pod), podLabels: hide(whole.podLabels) },
        ...{ annotations: hide(whole.annotations), container: hide(whole.container), process: hide(whole.process) },
        ...{ cgroups: known ? whole.cgroups : whole.cgroups.slice(1), moreCgroups: !known },
      };
      const said = compileFilters(filters).decide(partial);
      const truth = compileFilters(filters).decide(whole);
      const optedOut = oracle({ rules: [], otherwise: 'include' }, whole) === 'exclude';
      if (said === 'include' || said === 'exclude') {
        expect(truth, JSON.stringify({ filters, whole, partial })).toBe(said);
        decided++;
      } else if (said === 'unless-opted-out') expect(truth).toBe(optedOut ? 'exclude' : 'include');
    }
    expect(decided).toBeGreaterThan(4000);
  });
});
