export * from './http.ts';
export * from './migrate.ts';
export * from './native.ts';
export * from './open.ts';
export * from './row-binary.ts';
export * from './sql-text.ts';
export * from './store.ts';
export * from './tables.ts';
