import { describe, expect, it } from 'vitest';
import { assign, ConfigChangeError, describeChange } from './change.ts';
import type { FleetConfig } from './document.ts';
import { parseFleetConfig } from './parse.ts';
import { DEFAULT_SETTINGS, resolveSettings } from './resolve.ts';

const errorsOf = (input: unknown): readonly string[] => {
  const result = parseFleetConfig(input);
  return result.ok ? [] : result.errors;
};

const full: FleetConfig = {
  defaults: {
    rateHz: 19,
    windowSeconds: 10,
    rung: 'auto',
    offCpu: true,
    budget: { cpuPercent: 2.5, memoryMib: null, windowSeconds: 30, calmSeconds: 60, minRateHz: 1, lowestRung: 3 },
    filters: {
      rules: [
        { action: 'exclude', match: { namespace: ['kube-system'], podLabels: { 'app.kubernetes.io/name': ['a*'] } } },
        { action: 'include', match: { pod: ['x-*'], container: ['c'], process: ['java'], cgroup: ['/kubepods*'] } },
      ],
      otherwise: 'exclude',
    },
  },
  overrides: [{ comment: 'big', nodes: ['gpu-*'], clusters: ['prod'], settings: { rung: 2 } }],
};

describe('the document', () => {
  it('may state everything or nothing', () => {
    expect(parseFleetConfig(full)).toEqual({ ok: true, value: full });
    expect(parseFleetConfig({})).toEqual({ ok: true, value: {} });
  });

  it('names the field that is wrong, and what it must be', () => {
    expect(errorsOf({ defaults: { rateHz: 1000 } })).toEqual(['defaults.rateHz: must be a whole number from 1 to 999']);
    expect(errorsOf({ defaults: { rateHz: '49' } })).toEqual(['defaults.rateHz: must be a whole number from 1 to 999']);
    expect(errorsOf({ defaults: { ratehz: 49 } })).toEqual([
      'defaults.ratehz: there is no such field; did you mean rateHz?',
    ]);
    expect(errorsOf({ default: {} })).toEqual(['default: there is no such field; did you mean defaults?']);
    expect(errorsOf({ defaults: { offCpu: 'yes' } })).toEqual(['defaults.offCpu: must be true or false']);
    expect(errorsOf({ defaults: { rung: 4 } })).toEqual(['defaults.rung: must be auto, 1, 2 or 3']);
    expect(errorsOf({ defaults: { budget: { cpuPercent: 0 } } })).toEqual([
      'defaults.budget.cpuPercent: must be a number from 0.001 to 100000, or null for no limit',
    ]);
    expect(
      errorsOf({
        overrides: [
          { nodes: ['a'], settings: {} },
          { nodes: ['b'], settings: { windowSeconds: 0.5 } },
        ],
      }),
    ).toEqual(['overrides[1].settings.windowSeconds: must be a whole number from 1 to 60']);
    expect(errorsOf({ defaults: { filters: { rules: [{ action: 'exclude', match: {} }] } } })).toEqual([
      'defaults.filters.rules[0].match: must state at least one of namespace, pod, podLabels, container, process, cgroup',
    ]);
    expect(errorsOf({ defaults: { filters: { rules: [{ action: 'drop', match: { process: ['a'] } }] } } })).toEqual([
      'defaults.filters.rules[0].action: must be include or exclude',
    ]);
    const thinned = (oneIn: number, action = 'include') =>
      errorsOf({ defaults: { filters: { rules: [{ action, match: { process: ['a'] }, oneIn }] } } });
    expect(thinned(10)).toEqual([]);
    expect(thinned(1)).toEqual(['defaults.filters.rules[0].oneIn: must be a whole number from 2 to 1000']);
    expect(thinned(10, 'exclude')[0]).toMatch(/rules\[0\]\.oneIn: belongs to rules that include/);
    const rated = { action: 'include', match: { process: ['a'] }, rateHz: 9 };
    expect(errorsOf({ defaults: { filters: { rules: [rated] } } })).toEqual([
      'defaults.filters.rules[0].rateHz: a rate is one of nodes, in defaults or overrides; a rule states oneIn (one sample in so many is kept)',
    ]);
  });

  it('is never more than a node should read, and no input makes the check throw', () => {
    const nodes = Array.from({ length: 1000 }, (_, i) => `${'n'.repeat(200)}${i}`);
    expect(errorsOf({ overrides: [{ nodes, settings: {} }] })[0]).toMatch(/the document has \d+ bytes, at most 131072/);
    const cycle: Record<string, unknown> = {};
    cycle['defaults'] = cycle;
    for (const input of [null, undefined, 1, 'x', [], [1], cycle, { overrides: {} }, { defaults: null }])
      expect(errorsOf(input).length, String(input)).toBeGreaterThan(0);
  });
});

describe('settings in force', () => {
  const of = (document: FleetConfig | null, node = 'n1', cluster = 'c1') =>
    resolveSettings(document, { node, cluster });

  it('are those of the collector where the document states nothing', () => {
    expect(of(null)).toEqual(DEFAULT_SETTINGS);
    expect(of({})).toEqual(DEFAULT_SETTINGS);
    const base = { ...DEFAULT_SETTINGS, rateHz: 97 };
    expect(resolveSettings({ defaults: { windowSeconds: 9 } }, { node: 'n', cluster: '' }, base)).toEqual({
      ...base,
      windowSeconds: 9,
    });
  });

  it('are those of the overrides that mean the node, the later ones winning', () => {
    const document: FleetConfig = {
      defaults: { rateHz: 10, budget: { cpuPercent: 5 } },
      overrides: [
        { nodes: ['gpu-*'], settings: { rateHz: 20, budget: { memoryMib: 100 } } },
        { nodes: ['*'], clusters: ['prod-?'], settings: { rateHz: 30 } },
        { nodes: ['gpu-1'], settings: { budget: { cpuPercent: null } } },
      ],
    };
    expect(of(document).rateHz).toBe(10);
    expect(of(document, 'gpu-2').rateHz).toBe(20);
    expect(of(document, 'gpu-2', 'prod-1').rateHz).toBe(30);
    expect(of(document, 'gpu-1').budget).toEqual({ ...DEFAULT_SETTINGS.budget, cpuPercent: null, memoryMib: 100 });
  });

  it('ask the rules of a later layer first, and keep those of the layers below', () => {
    const rule = (name: string) => ({ action: 'exclude' as const, match: { process: [name] } });
    const document: FleetConfig = {
      defaults: { filters: { rules: [rule('a'), rule('b')], otherwise: 'exclude' } },
      overrides: [{ nodes: ['n1'], settings: { filters: { rules: [rule('c')] } } }],
    };
    expect(of(document).filters).toEqual({ rules: [rule('c'), rule('a'), rule('b')], otherwise: 'exclude' });
    const unknown: FleetConfig = {
      defaults: { filters: { unknown: 'include' } },
      overrides: [{ nodes: ['n2'], settings: { filters: { unknown: 'exclude' } } }],
    };
    expect(of(unknown).filters).toEqual({ rules: [], otherwise: 'include', unknown: 'include' });
    expect(of(unknown, 'n2').filters.unknown).toBe('exclude');
  });
});

describe('changes by key=value', () => {
  it('set and take out fields of the defaults or of one node, and leave the rest alone', () => {
    let document = assign({}, ['rateHz=49', 'budget.cpuPercent=1.5', 'rung=auto']);
    expect(document).toEqual({ defaults: { rateHz: 49, budget: { cpuPercent: 1.5 }, rung: 'auto' } });
    document = assign(document, ['rateHz=97', 'budget.memoryMib=null'], 'gpu-1');
    document = assign(document, ['rung=2'], 'gpu-1');
    document = assign(document, ['budget.cpuPercent='], undefined);
    expect(document).toEqual({
      defaults: { rateHz: 49, rung: 'auto' },
      overrides: [{ nodes: ['gpu-1'], settings: { rateHz: 97, budget: { memoryMib: null }, rung: 2 } }],
    });
    document = assign(document, ['rateHz=', 'rung=', 'budget='], 'gpu-1');
    expect(assign(document, ['rateHz=', 'rung='])).toEqual({});
  });

  it('take whole filters', () => {
    const filters = full.defaults!.filters!;
    const document = assign({}, [`filters=${JSON.stringify(filters)}`, 'filters.unknown=include']);
    expect(parseFleetConfig(document)).toEqual({
      ok: true,
      value: { defaults: { filters: { ...filters, unknown: 'include' } } },
    });
    expect(assign(document, ['filters='])).toEqual({});
  });

  it('leave the document that they start from as it is', () => {
    const before = structuredClone(full);
    assign(before, ['rateHz=1', 'filters.rules=[]'], 'gpu-*');
    assign(before, ['rateHz=1', 'filters.otherwise=include']);
    expect(before).toEqual(full);
  });

  it('refuse what is no assignment, and never touch a prototype', () => {
    expect(() => assign({}, ['rateHz'])).toThrow(ConfigChangeError);
    expect(() => assign({}, ['=1'])).toThrow(ConfigChangeError);
    expect(() => assign({}, ['__proto__.x=1'])).toThrow(ConfigChangeError);
    expect(() => assign({}, ['a..b=1'])).toThrow(ConfigChangeError);
    expect(errorsOf(assign({}, ['ratHz=1']))).toEqual(['defaults.ratHz: there is no such field; did you mean rateHz?']);
    expect(errorsOf(assign({}, ['rateHz.x=1']))).toHaveLength(1);
  });

  it('are told field by field', () => {
    const after = assign(
      assign(full, ['rateHz=49', 'windowSeconds=']),
      ['budget.cpuPercent=1'],
      'web-1',
    ) as FleetConfig;
    expect(describeChange(full, after)).toEqual([
      'defaults.rateHz: 19 -> 49',
      'defaults.windowSeconds: 10 -> not stated',
      'nodes web-1.budget.cpuPercent: not stated -> 1',
    ]);
    expect(describeChange(full, full)).toEqual([]);
  });
});
