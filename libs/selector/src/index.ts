export * from './compile.ts';
export * from './format.ts';
export * from './model.ts';
export * from './parse.ts';
