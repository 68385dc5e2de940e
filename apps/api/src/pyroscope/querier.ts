import { fromBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import {
  flameLevels,
  NameTree,
  ProfileFormat,
  ProfileSchema,
  QuerierService,
  TimeSeriesAggregationType,
  type SelectMergeStacktracesRequest,
} from '@perfleet/pyroscope';
import { linkIds, type LinkLabel, type Matcher } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { Selection } from '../queries/profile-queries.ts';
import type { ProfileSource } from './profile-source.ts';
import { nodesOf, rangeOf, selectorOf, typeOf } from './requests.ts';
import {
  labelNames,
  labelValues,
  profileTypes,
  sampleTimes,
  seriesLabels,
  seriesPoints,
  type LabelSet,
} from './series-queries.ts';

interface Selecting {
  readonly profileTypeID: string;
  readonly labelSelector: string;
  readonly start: bigint;
  readonly end: bigint;
  readonly stackTraceSelector?: { readonly callSite: readonly unknown[]; readonly goPgo?: unknown } | undefined;
  readonly profileIdSelector?: readonly string[];
  readonly traceIdSelector?: readonly string[];
  readonly spanSelector?: readonly string[];
}

/** @throws ApiError 400 */
function idMatchers(field: string, label: LinkLabel, ids: readonly string[] = []): Matcher[] {
  if (ids.length === 0) return [];
  if (ids.length > MAX_IDS) throw badRequest(`more than ${MAX_IDS} ids in ${field}`);
  const matcher = { label, op: '=~', value: ids.join('|') } as const;
  const found = linkIds(label, matcher);
  if (!found.ok) throw badRequest(`${field}: ${found.error}`);
  return [matcher];
}

/** As many as a selector of the longest text could name. */
const MAX_IDS = 480;

const unimplemented = (what: string) => new ConnectError(`Perfleet does not have ${what}`, Code.Unimplemented);

/** What would narrow the result and cannot be honoured is refused: a whole profile in its place would be a wrong answer. */
function selectionOf(request: Selecting): Selection {
  const { stackTraceSelector: stacks } = request;
  if (stacks && (stacks.callSite.length > 0 || stacks.goPgo)) throw unimplemented('stack_trace_selector');
  if (request.profileIdSelector?.length) throw unimplemented('profile_id_selector: profiles are not kept one by one');
  const selector = selectorOf(request.labelSelector, typeOf(request.profileTypeID));
  const links = [
    ...idMatchers('trace_id_selector', 'trace_id', request.traceIdSelector),
    ...idMatchers('span_selector', 'span_id', request.spanSelector),
  ];
  return {
    selector: { ...selector, matchers: [...selector.matchers, ...links] },
    range: rangeOf(request.start, request.end),
  };
}

const pairs = (set: LabelSet) => set.map(([name, value]) => ({ name, value }));
const bigRows = (levels: readonly number[][]) => levels.map((level) => ({ values: level.map(BigInt) }));
const selectors = (matchers: readonly string[]) => matchers.map((matcher) => selectorOf(matcher));

/** Pyroscope's querier over the profile store; methods that are not here are answered with `unimplemented`. */
export function querier(source: ProfileSource): ServiceImpl<typeof QuerierService> {
  const { db } = source;
  const pprof = async (of: Selection, context: HandlerContext) =>
    fromBinary(ProfileSchema, await source.pprof(of, { signal: context.signal }));
  const tree = async (of: Selection, context: HandlerContext) => {
    const { graph } = await source.flameGraph(of, { signal: context.signal });
    return graph;
  };

  const flamegraph = async (of: Selection, maxNodes: bigint | undefined, context: HandlerContext) => {
    const levels = flameLevels(new NameTree().add(await tree(of, context)), nodesOf(maxNodes));
    // Without a flame graph Grafana shows an empty panel; a row of nothing it would draw.
    if (levels.total === 0) return {};
    const { names, total, maxSelf } = levels;
    return {
      flamegraph: { names, levels: bigRows(levels.levels), total: BigInt(total), maxSelf: BigInt(maxSelf) },
    };
  };

  return {
    async profileTypes({ start, end }, { signal }) {
      const types = await profileTypes(db, [], rangeOf(start, end), { signal });
      return {
        profileTypes: types.map(({ id, name, sampleType, sampleUnit, periodType, periodUnit }) => {
          return { ID: id, name, sampleType, sampleUnit, periodType, periodUnit };
        }),
      };
    },

    async labelNames({ matchers, start, end }, { signal }) {
      return { names: await labelNames(db, selectors(matchers), rangeOf(start, end), { signal }) };
    },

    async labelValues({ name, matchers, start, end }, { signal }) {
      if (name === '') throw badRequest('name is missing');
      return { names: await labelValues(db, name, selectors(matchers), rangeOf(start, end), { signal }) };
    },

    async series({ matchers, labelNames: names, start, end }, { signal }) {
      const sets = await seriesLabels(db, selectors(matchers), names, rangeOf(start, end), { signal });
      return { labelsSet: sets.map((set) => ({ labels: pairs(set) })) };
    },

    async selectMergeStacktraces(request, context) {
      const of = selectionOf(request);
      switch (request.format) {
        case ProfileFormat.UNSPECIFIED:
        case ProfileFormat.FLAMEGRAPH:
          return flamegraph(of, request.maxNodes, context);
        case ProfileFormat.PPROF:
          return { pprof: { profile: await pprof(of, context) } };
        default:
          throw unimplemented(`the format ${ProfileFormat[request.format] ?? request.format}`);
      }
    },

    async selectMergeSpanProfile(request, context) {
      if (request.spanSelector.length === 0) throw badRequest('span_selector is missing');
      if (![ProfileFormat.UNSPECIFIED, ProfileFormat.FLAMEGRAPH].includes(request.format))
        throw unimplemented(`the format ${ProfileFormat[request.format] ?? request.format}`);
      return flamegraph(selectionOf(request), request.maxNodes, context);
    },

    /** All stacks: a profile that is cut to `max_nodes` would not be the profile that was asked for. */
    async selectMergeProfile(request, context) {
      return pprof(selectionOf(request), context);
    },

    async selectSeries(request, { signal }) {
      const { selector, range } = selectionOf(request);
      if ((request.aggregation ?? TimeSeriesAggregationType.SUM) !== TimeSeriesAggregationType.SUM)
        throw unimplemented('the aggregation AVERAGE');
      const stepMs = Math.round(request.step * 1000);
      if (!(stepMs >= 1)) throw badRequest('step must be a number of seconds above 0');
      const series = await seriesPoints(
        db,
        selector,
        range,
        {
          startMs: Number(request.start),
          stepMs,
          groupBy: request.groupBy,
          typeId: request.profileTypeID,
          limit: Number(request.limit ?? 0n),
        },
        { signal },
      );
      return {
        series: series.map(({ labels, points }) => ({
          labels: pairs(labels),
          points: points.map(([time, value]) => ({ value, timestamp: BigInt(time) })),
        })),
      };
    },

    async diff({ left, right }, context) {
      const both = [left, right].map((side, i) => {
        if (!side) throw badRequest(`${i === 0 ? 'left' : 'right'} is missing`);
        return side;
      }) as [SelectMergeStacktracesRequest, SelectMergeStacktracesRequest];
      const [before, after] = both.map(selectionOf) as [Selection, Selection];
      const names = new NameTree(2).add(await tree(before, context), 0).add(await tree(after, context), 1);
      const { levels, ticks, total, maxSelf, ...rest } = flameLevels(
        names,
        nodesOf(both[0].maxNodes ?? both[1].maxNodes),
      );
      return {
        flamegraph: {
          names: rest.names,
          levels: bigRows(levels),
          total: BigInt(total),
          maxSelf: BigInt(maxSelf),
          leftTicks: BigInt(ticks[0]!),
          rightTicks: BigInt(ticks[1]!),
        },
      };
    },

    async getProfileStats(_, { signal }) {
      const times = await sampleTimes(db, { signal });
      return {
        dataIngested: times !== null,
        oldestProfileTime: BigInt(times?.oldest ?? 0),
        newestProfileTime: BigInt(times?.newest ?? 0),
      };
    },
  };
}
