import type {
  CompareResponse,
  DiffBy,
  DiffResponse,
  ExportFormat,
  FlameGraphResponse,
  HeatmapResponse,
  SeriesResponse,
  TopResponse,
} from '@perfleet/api-contract';
import {
  buildFlameGraph,
  diffFunctions,
  shapeStacks,
  topFunctions,
  type FlameGraph,
  type Shape,
} from '@perfleet/profile';
import type { Selector } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import { compare, type CompareRequest } from './compare.ts';
import type { AskOptions, Db } from './db.ts';
import { queryHeatmap, type HeatmapRequest } from './heatmap.ts';
import { ProfileCache } from './profile-cache.ts';
import { BY_FUNCTION, queryFunctionSeries } from './function-series.ts';
import { queryOneFunctionSeries } from './one-function-series.ts';
import { queryTimeSeries } from './series.ts';
import { loadStacks, PROCESS_KIND, valueType } from './stack-set.ts';
import { exportOf, type Export } from './views.ts';

export interface Selection {
  readonly selector: Selector;
  readonly range: TimeRange;
}

/** `FlameGraphResponse` before it is written as JSON (`jsonBytes`). */
export interface FlameGraphAnswer extends Omit<FlameGraphResponse, 'graph'> {
  readonly graph: FlameGraph;
}

/** Nodes of one graph when the request does not say: about 6 MB of JSON. What has no place is `(other)`, so that totals stay exact. */
export const DEFAULT_NODES = 100_000;
export const MAX_NODES = 2_000_000;

/** Everything that is computed from samples. */
export class ProfileQueries {
  private shared = new ProfileCache();

  constructor(readonly db: Db) {}

  async flameGraph(of: Selection, maxNodes: number, options: AskOptions, shape: Shape = {}): Promise<FlameGraphAnswer> {
    const start = performance.now();
    const { type, unit, total: selected, stacks, order, frames } = await this.load(of, options);
    const tookMs = Math.round(performance.now() - start);
    const shaped = shapeStacks(stacks, frames, { ...shape, rootKind: PROCESS_KIND });
    const graph = buildFlameGraph(shaped.stacks, shaped.frames, {
      maxNodes,
      ...(shaped.stacks === stacks ? { order: order() } : {}),
    });
    return { type, unit, total: graph.total[0] ?? 0, selected, graph, tookMs };
  }

  async top(of: Selection, limit: number, options: AskOptions): Promise<TopResponse> {
    const { unit, total, stacks, frames } = await this.load(of, options);
    return { unit, total, functions: topFunctions(stacks, frames, { limit, excludeKind: PROCESS_KIND }) };
  }

  async diff(base: Selection, of: Selection, by: DiffBy, limit: number, options: AskOptions): Promise<DiffResponse> {
    const cache = this.cache();
    const before = await this.load(base, options, cache);
    const after = await this.load(of, options, cache);
    const chosen = { by, limit, excludeKind: PROCESS_KIND };
    const functions = diffFunctions(before.stacks, after.stacks, after.frames, chosen);
    return { unit: after.unit || before.unit, baseTotal: before.total, total: after.total, functions };
  }

  async timeSeries(
    of: Selection & { step: number; by: string | undefined; limit: number; function?: string | undefined },
    options: AskOptions,
  ): Promise<SeriesResponse> {
    const { function: name } = of;
    if (name !== undefined && of.by !== undefined)
      throw badRequest('by splits a value by a label, and function chooses one function: give one of the two');
    const { unit } = await valueType(this.db, of.selector, options);
    if (name !== undefined)
      return queryOneFunctionSeries(this.db, this.cache(), { ...of, function: name, unit }, options);
    if (of.by === BY_FUNCTION) return queryFunctionSeries(this.db, this.cache(), { ...of, unit }, options);
    return queryTimeSeries(this.db, { ...of, unit }, options);
  }

  heatmap(request: HeatmapRequest, options: AskOptions): Promise<HeatmapResponse> {
    return queryHeatmap(this.db, request, options);
  }

  compare(request: CompareRequest, options: AskOptions): Promise<CompareResponse> {
    const cache = this.cache();
    return compare(this.db, request, (of) => this.load(of, options, cache), options);
  }

  async export(of: Selection, format: ExportFormat, options: AskOptions): Promise<Export> {
    return exportOf(await this.load(of, options), of.range, format);
  }

  private load({ selector, range }: Selection, options: AskOptions, cache = this.cache()) {
    return loadStacks(this.db, cache, selector, range, options);
  }

  /** Queries that run keep the cache that they began with. */
  private cache(): ProfileCache {
    if (this.shared.full) this.shared = new ProfileCache();
    return this.shared;
  }
}
