export * from './refused-request.ts';
