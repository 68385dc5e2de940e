import type { DiffResponse, FlameGraphResponse, SeriesResponse, TopResponse } from '@perfleet/api-contract';
import type { Selector } from '@perfleet/selector';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from './db.ts';
import { diffOf, exportOf, flameGraphOf, topOf, type Export, type ExportFormat } from './views.ts';
import { FrameNames } from './frames.ts';
import { queryTimeSeries } from './series.ts';
import { loadStacks, valueType } from './stack-set.ts';

export interface Selection {
  readonly selector: Selector;
  readonly range: TimeRange;
}

/** Everything that is computed from samples. */
export class ProfileQueries {
  private readonly names: FrameNames;

  constructor(readonly db: Db) {
    this.names = new FrameNames(db);
  }

  async flameGraph(of: Selection, options: AskOptions): Promise<FlameGraphResponse> {
    const start = performance.now();
    const set = await this.load(of, options);
    const tookMs = Math.round(performance.now() - start);
    return { type: set.type, unit: set.unit, total: set.total, graph: flameGraphOf(set), tookMs };
  }

  async top(of: Selection, limit: number, options: AskOptions): Promise<TopResponse> {
    const set = await this.load(of, options);
    return { unit: set.unit, total: set.total, functions: topOf(set).slice(0, limit) };
  }

  async diff(base: Selection, of: Selection, limit: number, options: AskOptions): Promise<DiffResponse> {
    const before = await this.load(base, options);
    const after = await this.load(of, options);
    return diffOf(before, after, limit);
  }

  async timeSeries(
    of: Selection & { step: number; by: string | undefined; limit: number },
    options: AskOptions,
  ): Promise<SeriesResponse> {
    const { unit } = await valueType(this.db, of.selector, options);
    return queryTimeSeries(this.db, { ...of, unit }, options);
  }

  async export(of: Selection, format: ExportFormat, options: AskOptions): Promise<Export> {
    return exportOf(await this.load(of, options), of.range, format);
  }

  private load({ selector, range }: Selection, options: AskOptions) {
    return loadStacks(this.db, this.names, selector, range, options);
  }
}
