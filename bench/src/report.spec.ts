import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { median, parseCount } from './measure.ts';
import { ratio, toText, withSection, type Benchmark, type Report } from './report.ts';
import { runBenchmark } from './run.ts';

const root = mkdtempSync(join(tmpdir(), 'bench-spec-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const fake: Benchmark = {
  name: 'fake',
  description: '',
  options: [],
  run: async ({ directory, progress }) => {
    progress(directory);
    return {
      parameters: { rows: 1_234_567 },
      ratios: [ratio('ours, ms', 50, 'theirs, ms', 200, 'lower')],
      tables: [{ title: 'Times', columns: ['what', 'ms'], rows: [['a|b', 1.23456]] }],
      notes: ['a note'],
    };
  },
};

const run = (record: boolean, quick = false, seen: string[] = []) =>
  runBenchmark(fake, { root, quick, record, options: {}, progress: (line) => seen.push(line) });

describe('a report', () => {
  it('is appended to the results when asked, with machine, date and ratio, and nothing before it is lost', async () => {
    const path = join(root, 'bench', 'RESULTS.md');
    rmSync(join(root, 'bench'), { recursive: true, force: true });
    await expect(run(true)).rejects.toThrow(/RESULTS\.md/);
    mkdirSync(join(root, 'bench'));
    const report = await run(true);
    await run(true);
    const text = readFileSync(path, 'utf8');
    expect(text.match(/^## fake, /gm)).toHaveLength(2);
    expect(text).toContain(report.date);
    expect(text).toContain(`Linux ${report.machine.kernel}`);
    expect(text).toContain('| ours, ms | 50 | theirs, ms | 200 | 0.25 | lower |');
    expect(text).toContain('a\\|b');
    writeFileSync(path, 'mine\n');
    expect(withSection(path, report)).toMatch(/^mine\n/);
  });

  it('is not recorded from a quick run, and its directory is gone at the end', async () => {
    await expect(run(true, true)).rejects.toThrow(/--quick/);
    const seen: string[] = [];
    await run(false, true, seen);
    const directory = seen[0]!.replace(/^.*: /, '');
    expect(() => readFileSync(directory)).toThrow(/ENOENT/);
  });

  it('is a table on a terminal', async () => {
    const report: Report = await run(false);
    expect(toText(report)).toMatch(/ours, ms +50 +theirs, ms +200 +0\.25 +lower/);
    expect(toText(report)).toContain('rows 1,230,000');
  });
});

it('reads sizes and takes medians', () => {
  expect([parseCount('--rows', '1.5M', 1, 1e9), parseCount('--rows', undefined, 7, 1e9)]).toEqual([1_500_000, 7]);
  for (const bad of ['0', 'x', '5G', '-1'])
    expect(() => parseCount('--rows', bad, 1, 1e9)).toThrow(`--rows ${bad}: expected a number`);
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
});
