import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { firefoxProblems } from '@perfleet/profile/firefox-check';
import { requireTool, tempDir } from '@perfleet/testing';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPerfleet } from '../support/perfleet.ts';
import { repository } from '../support/workloads.ts';

/** What `record` writes is read by the tools that people have. */
describe('perfleet record', () => {
  const dir = tempDir();
  let program: ChildProcess;

  beforeAll(() => {
    const binary = join(dir.path, 'burn-record');
    execFileSync('g++', ['-O1', '-g', '-o', binary, join(repository, 'tests/workloads/burn.cpp')]);
    program = spawn(binary, { stdio: 'ignore' });
  });
  afterAll(() => {
    program?.kill('SIGKILL');
    dir.remove();
  });

  const record = async (name: string) => {
    const file = join(dir.path, name);
    const run = await runPerfleet(['record', '--duration', '2s', '--pid', String(program.pid), '-o', file]);
    expect(run.code, run.err).toBe(0);
    return file;
  };

  it('writes what speedscope’s own schema allows, with the functions in it', async () => {
    const file = await record('profile.speedscope.json');
    const profile = JSON.parse(readFileSync(file, 'utf8')) as { shared: { frames: Array<{ name: string }> } };
    const schema = createRequire(import.meta.url).resolve('speedscope/dist/release/file-format-schema.json');
    const validate = new Ajv({ strict: false }).compile(JSON.parse(readFileSync(schema, 'utf8')) as object);
    expect(validate(profile), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...profile, shared: {} }), 'a profile without frames is none').toBe(false);
    expect(profile.shared.frames.map(({ name }) => name)).toContain('hot_seventy');
  });

  it('writes what the Firefox Profiler’s format allows, with the functions and their time in it', async () => {
    const file = await record('profile.firefox.json');
    const profile = JSON.parse(readFileSync(file, 'utf8')) as {
      shared: { stringArray: string[] };
      threads: Array<{ name: string; samples: { weight: number[] } }>;
    };
    expect(firefoxProblems(profile)).toEqual([]);
    expect(profile.shared.stringArray).toContain('hot_seventy');
    expect(profile.threads.map(({ name }) => name)).toEqual(['burn-record']);
    const ms = profile.threads[0]!.samples.weight.reduce((sum, weight) => sum + weight, 0);
    expect(ms).toBeGreaterThan(0);
    expect(ms, 'two seconds of one thread').toBeLessThan(3000);
  });

  const go = requireTool('go');
  it.skipIf(!go.available)(`writes what go tool pprof reads${go.reason && ` (skipped: ${go.reason})`}`, async () => {
    const file = await record('profile.pb.gz');
    const top = execFileSync('go', ['tool', 'pprof', '-top', '-cum', file], { encoding: 'utf8', stdio: 'pipe' });
    expect(top).toMatch(/\d+(\.\d+)?m?s .*hot_seventy/);
  });
});
