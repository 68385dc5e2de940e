export * from './alert-changes.ts';
export * from './node-state.ts';
export * from './profiles.ts';
export * from './symbols.ts';
export * from './topics.ts';
