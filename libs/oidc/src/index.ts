export * from './either.ts';
export * from './rules.ts';
export * from './sign-in.ts';
export * from './verifier.ts';
