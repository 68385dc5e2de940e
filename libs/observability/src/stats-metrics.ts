import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

/** A series of one number of a service's stats; with `label`, one for each key of an object of numbers. */
export interface StatMetric<S> {
  readonly name: string;
  readonly help: string;
  /** Counters only grow while the process lives. */
  readonly kind: 'counter' | 'gauge';
  readonly label?: string;
  readonly value: (stats: S) => number | Readonly<Record<string, number | undefined>>;
}

/** A registry with the process's own metrics and these, read from `stats` at each scrape. */
export function statsRegistry<S>(stats: () => S, metrics: readonly StatMetric<S>[]): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name, help, kind, label, value } of metrics) {
    const options = { name, help, registers: [registry], labelNames: label === undefined ? [] : [label] };
    const each = (set: (labels: Record<string, string>, value: number) => void) => {
      const now = value(stats());
      if (typeof now === 'number') return set({}, now);
      for (const [key, count] of Object.entries(now)) if (label !== undefined) set({ [label]: key }, count ?? 0);
    };
    if (kind === 'counter')
      new Counter({
        ...options,
        collect() {
          this.reset();
          each((labels, count) => this.inc(labels, count));
        },
      });
    else
      new Gauge({
        ...options,
        collect() {
          this.reset();
          each((labels, count) => this.set(labels, count));
        },
      });
  }
  return registry;
}
