export * from './call-graph.ts';
export * from './fleet.ts';
export * from './messages.ts';
export * from './random.ts';
export * from './totals.ts';
