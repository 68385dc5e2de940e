export * from './alert-changes.ts';
export * from './believable-time.ts';
export * from './dead-letter.ts';
export * from './node-state.ts';
export * from './profiles.ts';
export * from './symbols.ts';
export * from './topics.ts';
