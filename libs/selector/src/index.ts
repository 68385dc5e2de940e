export * from './compile.ts';
export { DERIVED_TYPES, derivedFrom, type DerivedType } from './derived.ts';
export * from './format.ts';
export * from './model.ts';
export * from './parse.ts';
