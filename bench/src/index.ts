import { pipeline } from './pipeline.ts';
import { query } from './query.ts';
import { sampler } from './sampler.ts';
import { storage } from './storage.ts';
import { symbolize } from './symbolize.ts';
import type { Benchmark } from './report.ts';

export * from './report.ts';
export * from './run.ts';

export const BENCHMARKS: readonly Benchmark[] = [sampler, pipeline, query, storage, symbolize];
