import type { Store } from '@perfleet/clickhouse';
import { PERIOD, type Fleet, type Pod } from '@perfleet/simulate';
import { seriesOf } from './store-rows.ts';

/** When the windows of a pod begin: `start + window * step + offset(pod)`, Unix seconds, rounded down. */
export interface Clock {
  readonly start: number;
  readonly step: number;
  readonly offset: (pod: Pod) => number;
}

/**
 * Samples of a fleet made by the engine itself, millions of rows a second, distributed as those of `Fleet.window`: as many samples
 * a window, stacks of the same weights by the same alias method, from another source of chance. What a range must add up to is
 * known without the rows that were written.
 */
export class SqlFleet {
  private constructor(
    private readonly store: Store,
    private readonly fleet: Fleet,
    private readonly clock: Clock,
    private readonly table: string,
  ) {}

  /** @param generation of a service's pods and stacks: a deployment replaces both. Services without one are as they were. */
  static async create(
    store: Store,
    fleet: Fleet,
    clock: Clock,
    stacks: (service: number) => Iterable<bigint> = (service) => fleet.services[service]!.graph.stackIds,
    generation: (pod: Pod) => number = () => 0,
  ): Promise<SqlFleet> {
    const table = `bench_fleet_${Math.random().toString(36).slice(2)}`;
    const ids = fleet.pods.map((pod) => seriesOf(fleet, pod, generation(pod)));
    const { threshold, alias } = fleet.popularity;
    const services = new Map(fleet.services.map((service, i) => [service, i]));
    const columns: ReadonlyArray<readonly [string, string, Iterable<number | bigint>]> = [
      ['thresholds', 'Float64', threshold],
      ['aliases', 'UInt32', alias],
      ['stack_ids', 'UInt64', fleet.services.flatMap((_, i) => [...stacks(i)])],
      ['series_ids', 'UInt64', ids.map(({ id }) => id)],
      ['workload_ids', 'UInt64', ids.map(({ workload }) => workload)],
      ['services', 'UInt32', fleet.pods.map((pod) => services.get(pod.service)!)],
      ['offsets', 'Float64', fleet.pods.map(clock.offset)],
    ];
    const declared = columns.map(([name, type]) => `${name} Array(${type})`).join(', ');
    await store.command(`CREATE TABLE ${table} (${declared}) ENGINE = Memory`);
    const values = columns.map(([, , of]) => `[${[...of].join(',')}]`).join(', ');
    await store.command(`INSERT INTO ${table} VALUES (${values})`, {
      settings: { max_query_size: 1 << 30, max_parser_depth: 0 },
    });
    return new SqlFleet(store, fleet, clock, table);
  }

  /** Writes the windows `from` to `until` (not included) of all pods. One block when `single`, else at least one for sixteen million rows. */
  async write(from: number, until: number, single = false): Promise<void> {
    const { stacksPerService } = this.fleet.options;
    const array = (name: string) => `(SELECT ${name} FROM ${this.table})`;
    await this.store.command(
      `INSERT INTO samples (time, workload, series, stack, value)
       WITH ${array('thresholds')} AS thresholds, ${array('aliases')} AS aliases, ${array('stack_ids')} AS stack_ids,
         ${array('series_ids')} AS series_ids, ${array('workload_ids')} AS workload_ids, ${array('services')} AS services,
         ${array('offsets')} AS offsets
       SELECT toDateTime(${this.time}, 'UTC') AS time, workload_ids[pod + 1] AS workload, series_ids[pod + 1] AS series,
         stack_ids[services[pod + 1] * ${stacksPerService} + rank + 1] AS stack, count() * ${PERIOD} AS value
       FROM
       (
         SELECT pod, window, if(fraction < thresholds[drawn + 1], drawn, aliases[drawn + 1]) AS rank
         FROM
         (
           SELECT pod, window, cityHash64(${this.fleet.options.seed}, number, arrayJoin(range(${this.samples}))) AS h,
             intDiv(bitShiftRight(h, 32) * ${stacksPerService}, 4294967296) AS drawn, bitAnd(h, 4294967295) / 4294967296 AS fraction
           FROM (${this.windows(from, until)})
         )
       )
       GROUP BY pod, window, rank`,
      single
        ? { settings: { max_threads: 1, min_insert_block_size_rows: 1 << 28, max_block_size: 1 << 24 } }
        : // One part for what is written at once: fewer to merge.
          {
            settings: {
              min_insert_block_size_rows: 1 << 24,
              min_insert_block_size_bytes: 1 << 30,
              max_insert_threads: 1,
            },
          },
    );
  }

  /** Samples of times `from` to `until` (Unix seconds, not included) among the first `windows`, from what each pod draws. */
  async expected(windows: number, from: number, until: number, service?: number): Promise<number> {
    const array = (name: string) => `(SELECT ${name} FROM ${this.table})`;
    const [row] = await this.store.query<{ n: string }>(
      `WITH ${array('services')} AS services, ${array('offsets')} AS offsets
       SELECT sum(${this.samples}) AS n FROM (${this.windows(0, windows)})
       WHERE ${this.time} >= ${from} AND ${this.time} < ${until}${service === undefined ? '' : ` AND services[pod + 1] = ${service}`}`,
    );
    return Number(row!.n);
  }

  async close(): Promise<void> {
    await this.store.command(`DROP TABLE ${this.table} SYNC`);
  }

  private windows(from: number, until: number): string {
    const pods = this.fleet.pods.length;
    return `SELECT number, toUInt32(number % ${pods}) AS pod, toUInt32(intDiv(number, ${pods})) AS window FROM numbers(${from * pods}, ${(until - from) * pods})`;
  }

  private get time(): string {
    return `toUInt32(floor(${this.clock.start} + window * ${this.clock.step} + offsets[pod + 1]))`;
  }

  /** Samples of a window: 1 to twice the average less one, each as likely. */
  private get samples(): string {
    const { seed, samplesPerWindow } = this.fleet.options;
    return `1 + sipHash64(${seed}, number) % ${samplesPerWindow * 2 - 1}`;
  }
}
