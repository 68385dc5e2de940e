export * from './aggregator.ts';
export type { AggregatorStats } from './stats.ts';
