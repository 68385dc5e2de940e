export * from './aggregator.ts';
export type { AggregatorStats } from './stats.ts';
/** The stages between a message and its rows, for whoever measures them. */
export { encodeSamples } from './encode.ts';
export { readProfiles } from './profiles-sink.ts';
