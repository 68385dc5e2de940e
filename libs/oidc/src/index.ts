export * from './either.ts';
export * from './rules.ts';
export * from './verifier.ts';
