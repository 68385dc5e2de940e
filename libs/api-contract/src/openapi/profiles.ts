import { COMPARE_PER } from '../comparison.ts';
import { count, list, map, number, object, oneOf, ref, text, type Schema } from './schema.ts';

const INDEX = 'Index into `strings`';
const indexes = (of: string) => list(count(), `${INDEX}: ${of}`);
const values = () => list(number());
const amounts = object({ self: number(), total: number() });
const functionFields = { function: text(), file: text(), module: text(), kind: text() };
const COUNTS = 'Samples; 0 for types without a period';

/** Answers about profiles. Times are Unix milliseconds unless they say otherwise, values are in `unit`. */
export const PROFILE_SCHEMAS: Readonly<Record<string, Schema>> = {
  FlameGraphColumns: object(
    {
      strings: list(text()),
      parent: list({ type: 'integer', minimum: -1 }, 'Index of the parent; -1 for the root'),
      name: indexes('function name'),
      file: indexes('source file, or ""'),
      module: indexes('module (base name of the binary), or ""'),
      kind: indexes('profile.frame.type (native, kernel, v8js, …)'),
      inlined: list(count(), '1 when the frame was inlined into its parent'),
      self: values(),
      total: values(),
    },
    'Nodes as columns, in depth-first order; node 0 is the root and `parent[i] < i`',
  ),
  FlameGraphResponse: object({
    type: text(),
    unit: text(),
    total: number('Of the graph'),
    selected: number('Of the selection, with what focus and ignore leave out'),
    graph: ref('FlameGraphColumns'),
    tookMs: number('Milliseconds that the query took in the store'),
  }),
  TopResponse: object({
    unit: text(),
    total: number(),
    functions: list(object({ ...functionFields, self: number(), total: number() })),
  }),
  UnresolvedBinariesResponse: object({
    binaries: list(
      object({
        binary: text('Path of the mapping as the process saw it'),
        binaryId: text(),
        reason: text(),
        since: number('First such sample of the range'),
        until: number('Last such sample of the range'),
        samples: number('Samples with at least one such frame'),
        share: number('The same as a part of all samples of the selection, 0 to 1'),
        nodes: count(),
      }),
    ),
  }),
  SeriesResponse: object({
    unit: text(),
    step: count('Seconds'),
    times: list(count()),
    series: list(object({ labels: map(text()), values: values() })),
  }),
  LabelsResponse: object({ labels: list(text()) }),
  LabelValuesResponse: object({
    values: list(object({ value: text(), total: number('What it had of the value') }), 'Largest first'),
  }),
  ProfileTypesResponse: object({ types: list(object({ type: text(), unit: text() })) }),
  DiffResponse: object({
    unit: text(),
    baseTotal: number(),
    total: number(),
    functions: list(object({ ...functionFields, base: amounts, self: number(), total: number() })),
  }),
  HeatmapResponse: object(
    {
      type: text(),
      unit: text(),
      rateUnit: text(
        'Of `bounds`: `cores` for nanoseconds of CPU time, `threads` for those of other time, else the unit with `/s`',
      ),
      step: count('Seconds'),
      times: list(count(), 'Start of each step'),
      bounds: list(
        number(),
        'Edges of the buckets, one more than there are buckets, ascending from 0. The largest rate is in the last bucket',
      ),
      total: number(),
      cells: object({
        time: list(count(), 'Index into `times`'),
        bucket: list(count(), 'Index of the bucket: bounds[bucket] <= rate < bounds[bucket + 1]'),
        count: list(count(), 'Things with a value in this step and a rate of this bucket'),
        value: list(number(), 'What they used together, in `unit`'),
      }),
    },
    'How the value spreads, step by step. One thing is a series, or one value of the label `by`. Only cells that hold something are there, by time, then bucket; their `value`s add up to `total`',
  ),
  CompareSide: object({
    selector: text(),
    from: count(),
    until: count(),
    total: number(),
    samples: number(COUNTS),
    pods: count(),
  }),
  CompareFunction: object({
    ...functionFields,
    base: { ...amounts, description: 'As measured, not scaled' },
    self: number(),
    total: number(),
    change: number('self - base.self × scale'),
  }),
  CompareResponse: object(
    {
      type: text(),
      unit: text(),
      per: oneOf(COMPARE_PER),
      scale: number('What a value of the base is multiplied by; 0 when the base is empty'),
      base: ref('CompareSide'),
      with: ref('CompareSide'),
      gained: list(ref('CompareFunction'), 'Largest change first'),
      lost: list(ref('CompareFunction')),
      others: object(
        { functions: count(), baseSelf: number(), self: number(), change: number() },
        'Functions that the limit leaves out, and those that did not change',
      ),
    },
    'Self values of `gained`, `lost` and `others` add up to the totals of both sides',
  ),
};
