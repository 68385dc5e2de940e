export * from './binary-id.ts';
export * from './byte-writer.ts';
export * from './id-table.ts';
export * from './ids.ts';
export * from './xxh64.ts';
