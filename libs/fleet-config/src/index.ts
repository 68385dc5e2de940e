export * from './change.ts';
export * from './document.ts';
export * from './evaluate.ts';
export * from './filters.ts';
export * from './parse.ts';
export * from './pattern.ts';
export * from './resolve.ts';
