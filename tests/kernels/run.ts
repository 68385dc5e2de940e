/**
 * The sampler on Debian's kernels, each booted in emulation: does it load, which way does it walk, are stacks complete, what does it
 * say where it may not. Writes docs/kernels.md.
 *
 *   npm run test:kernels -- [--kernels 5.10,6.1] [--scenarios auto,calls] [--seconds 300] [--no-table]
 *
 * Runs on request, not with `npm test`: it fetches about 100 MB a kernel, keeps them in .cache/kernels, and takes two minutes each.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireTool } from '@perfleet/testing';
import { runArguments } from '../support/run-arguments.ts';
import { readStream, type Context } from './checks.ts';
import { buildGuest } from './guest.ts';
import { Packages, newestOfSeries } from './packages.ts';
import { boot } from './qemu.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';
import { renderTable, type Result } from './table.ts';

const here = dirname(fileURLToPath(import.meta.url));
const repository = dirname(dirname(here));
const cache = join(repository, '.cache/kernels');
const sampler = join(repository, 'native/target/release/perfleet-sampler');

const say = (text: string) => process.stderr.write(`${text}\n`);

function fail(text: string): never {
  say(text);
  process.exit(2);
}

const USAGE = `npm run test:kernels -- [--kernels 5.10,6.1] [--scenarios auto,calls] [--seconds 300] [--no-table]

Boots Debian's kernels in qemu and writes docs/kernels.md, which --no-table leaves as it is; --seconds bounds one kernel.
`;

const values = runArguments(USAGE, {
  kernels: { type: 'string' },
  scenarios: { type: 'string' },
  /** Bound for one kernel. */
  seconds: { type: 'string', default: '300' },
  'no-table': { type: 'boolean', default: false },
});

for (const tool of ['qemu-system-x86_64', 'g++', 'nm', 'apt-get', 'setpriv', 'gzip']) {
  const { available, reason } = requireTool(tool);
  if (!available) fail(reason);
}
if (!existsSync(sampler)) fail(`${sampler} is missing: npm run setup`);
const wanted = values.scenarios?.split(',');
const scenarios = SCENARIOS.filter(({ name }) => !wanted || wanted.includes(name));
const unknown = wanted?.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name)) ?? [];
if (unknown.length > 0) fail(`no scenario ${unknown}: there are ${SCENARIOS.map(({ name }) => name)}`);

mkdirSync(cache, { recursive: true });
const packages = new Packages(cache);
say('reading the package lists …');
await packages.update();
const obtainable = newestOfSeries(await packages.kernels());
const series = values.kernels?.split(',') ?? [...obtainable.keys()];
for (const one of series) if (!obtainable.has(one)) fail(`no kernel ${one}: there are ${[...obtainable.keys()]}`);
const busybox = join(await packages.unpacked('busybox-static'), 'bin/busybox');
const guest = buildGuest(cache, {
  here,
  busybox: existsSync(busybox) ? busybox : busybox.replace(/bin\/busybox$/, 'usr/bin/busybox'),
  sampler,
  scenarios,
});

async function test(one: string): Promise<Result> {
  const image = obtainable.get(one)!;
  say(`${one}: fetching ${image} …`);
  const kernel = await packages.kernel(image);
  const output = join(cache, `${one}.tar`);
  const started = Date.now();
  const onLine = (line: string) => say(`${one}:   ${Math.round((Date.now() - started) / 1000)} s  ${line}`);
  const { said, console, trouble } = await boot({
    ...{ kernel, initramfs: guest.initramfs, output, seconds: Number(values.seconds), onLine },
  });
  const value = (name: string) => said.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? '';
  const context: Context = { ...guest.programs, release: value('kernel'), cgroup: BigInt(value('cgroup') || 0) };
  if (trouble) say(`${console}\n${one}: ${trouble}`);
  const streams = join(cache, `${one}.streams`);
  rmSync(streams, { recursive: true, force: true });
  mkdirSync(streams);
  const archives = ['-x', '--ignore-zeros', '-f', output, '-C', streams];
  // What a guest was sending when it died is cut: its scenario is not among those that are done.
  const { status, stderr } = spawnSync('tar', archives, { encoding: 'utf8' });
  if (status !== 0 && !trouble) throw new Error(`${output}: ${stderr}`);
  let features: readonly string[] = [];
  const outcomes: Record<string, Result['outcomes'][string]> = {};
  for (const scenario of scenarios) {
    const done = said.includes(`done ${scenario.name}`);
    const outcome = done ? judge(scenario, streams, context) : { ok: false, text: trouble };
    outcomes[scenario.title] = outcome;
    say(`${one}: ${outcome.ok ? 'ok  ' : 'FAIL'} ${scenario.name}: ${outcome.text}`);
    if (scenario.name === 'auto' && done) features = featuresOf(streams);
  }
  return { series: one, release: context.release, features, outcomes };
}

function judge({ name, check }: Scenario, streams: string, context: Context): { ok: boolean; text: string } {
  try {
    return { ok: true, text: check(readStream(readFileSync(join(streams, `${name}.bin`))), context) };
  } catch (error) {
    const errors = join(streams, `${name}.err`);
    const also = existsSync(errors) ? readFileSync(errors, 'utf8').trim().slice(-300) : '';
    return { ok: false, text: `${(error as Error).message}${also && ` (${also})`}` };
  }
}

function featuresOf(streams: string): readonly string[] {
  try {
    return readStream(readFileSync(join(streams, 'auto.bin'))).hello.features ?? [];
  } catch {
    return [];
  }
}

const titles = scenarios.map(({ title }) => title);
const today = new Date().toISOString().slice(0, 10);
const results: Result[] = [];
for (const one of series) {
  results.push(await test(one));
  if (!values['no-table']) writeFileSync(join(repository, 'docs/kernels.md'), renderTable(titles, results, today));
}
const outcomes = results.flatMap((result) => Object.values(result.outcomes));
const failed = outcomes.filter(({ ok }) => !ok).length;
say(`${results.length} kernels: ${outcomes.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
