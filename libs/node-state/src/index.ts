export * from './errors.ts';
export * from './redis.ts';
export * from './sqlite.ts';
export * from './store.ts';
