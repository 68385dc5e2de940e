export * from './aggregator.ts';
export { aggregatorMetrics } from './metrics.ts';
export type { AggregatorStats } from './stats.ts';
/** The stage between a message and its rows, for whoever measures it. */
export { readProfiles } from './read-profiles.ts';
