export * from './directory-events.ts';
