export * from './compile.ts';
export { DERIVED_TYPES, derivedFrom, type DerivedType } from './derived.ts';
export * from './format.ts';
export { compileLinks, isLinkLabel, LINK_DIGITS, linkIds, type LinkLabel } from './links.ts';
export * from './model.ts';
export * from './parse.ts';
