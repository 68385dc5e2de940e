export * from './compare.ts';
export * from './diff.ts';
export * from './flame-graph.ts';
export * from './folded.ts';
export * from './frame-table.ts';
export { OTHER } from './lay-out.ts';
export * from './speedscope.ts';
export * from './stack-table.ts';
export * from './top-functions.ts';
