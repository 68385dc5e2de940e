export * from './binary-store.ts';
export * from './directory.ts';
export * from './object-store.ts';
export * from './s3.ts';
