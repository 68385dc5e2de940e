import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { ConfigResponse } from '@perfleet/api-contract';
import { assign, describeChange, parseFleetConfig, type FleetConfig } from '@perfleet/fleet-config';
import type { Command } from 'commander';
import { ApiError, apiOf, ask } from '../api-client.ts';
import { cellText } from '../table.ts';
import { wholeNumber } from './arguments.ts';
import { serverOption } from './query.ts';

interface Flags {
  server: string;
  node?: string;
  message?: string;
  json?: boolean;
  limit?: string;
  ifVersion?: string;
}

const HELP = `
Keys: rateHz, windowSeconds, rung (auto, 1, 2, 3), offCpu (true, false), budget.cpuPercent (of one core), budget.memoryMib,
budget.windowSeconds, budget.calmSeconds, budget.minRateHz, budget.lowestRung, filters.rules, filters.otherwise. Values are JSON or text; null is no
limit; an empty value (rateHz=) takes the field out again. docs/configuration.md tells what they mean.

Examples:
  perfleet config set rateHz=49 budget.cpuPercent=5 -m 'incident 12'
  perfleet config set rateHz=97 --node 'gpu-*'       # later overrides win over earlier ones
  perfleet config get --node gpu-1                   # what is meant for one node
  perfleet config get > fleet.json; perfleet config edit fleet.json
`;

export function registerConfig(program: Command): void {
  const config = program
    .command('config')
    .description("the fleet's settings: rates, windows, rungs, budgets and filters, taken up while collectors run")
    .addHelpText('after', HELP);
  const node = ['--node <name>', 'of this node, or of the nodes of a pattern'] as const;
  const message = ['-m, --message <text>', 'why, for the history'] as const;
  config
    .command('get', { isDefault: true })
    .description('print the document, or with --node what it means for that node')
    .option('--node <name>', 'a node')
    .option('--json', 'everything: version, author, document')
    .addOption(serverOption())
    .action(get);
  config
    .command('set')
    .description('change single fields')
    .argument('<key=value...>', 'e.g. rateHz=49')
    .option(...node)
    .option(...message)
    .addOption(serverOption())
    .addHelpText('after', HELP)
    .action(set);
  config
    .command('edit')
    .description('replace the document by a file, or in $VISUAL or $EDITOR')
    .argument('[file]', 'JSON; - reads standard input')
    .option('--if-version <n>', 'only if the document still has this version')
    .option(...message)
    .addOption(serverOption())
    .action(edit);
  config
    .command('history')
    .description('the last changes, newest first')
    .option('--limit <n>', 'how many, at most 100', '20')
    .option('--json', 'as JSON, with the documents')
    .addOption(serverOption())
    .action(history);
}

async function get(flags: Flags): Promise<void> {
  const answer = await ask(apiOf(flags.server).GET('/api/v1/config', { params: { query: { node: flags.node } } }));
  if (answer.error) process.stderr.write(`warning: no node uses it: ${cellText(answer.error)}\n`);
  print(flags.json ? answer : (answer.settings ?? answer.document));
}

async function set(assignments: string[], flags: Flags): Promise<void> {
  // A change of single fields holds whatever somebody else changed meanwhile.
  for (let attempt = 1; ; attempt++) {
    const before = await ask(apiOf(flags.server).GET('/api/v1/config'));
    const document = checked(assign(before.document, assignments, flags.node));
    try {
      return tell(before, await put(flags, document, before.version));
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'config-conflict') || attempt === 5) throw error;
    }
  }
}

async function edit(file: string | undefined, flags: Flags): Promise<void> {
  const before = await ask(apiOf(flags.server).GET('/api/v1/config'));
  const text = file === undefined ? inEditor(before.document) : readFileSync(file === '-' ? 0 : file, 'utf8');
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file ?? 'the text'} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const version =
    flags.ifVersion === undefined ? before.version : wholeNumber('--if-version', flags.ifVersion, 0, 2 ** 53 - 1);
  tell(before, await put(flags, checked(input), version));
}

function inEditor(document: FleetConfig): string {
  const editor = process.env['VISUAL'] || process.env['EDITOR'];
  if (!editor)
    throw new Error('neither VISUAL nor EDITOR is set; name a file: perfleet config edit FILE (- = standard input)');
  const dir = mkdtempSync(join(tmpdir(), 'perfleet-config-'));
  const path = join(dir, 'fleet-config.json');
  try {
    writeFileSync(path, `${JSON.stringify(document, null, 2)}\n`);
    execFileSync('/bin/sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio: 'inherit' });
    return readFileSync(path, 'utf8');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function history(flags: Flags): Promise<void> {
  const limit = wholeNumber('--limit', flags.limit ?? '20', 1, 100);
  const { changes } = await ask(apiOf(flags.server).GET('/api/v1/config/history', { params: { query: { limit } } }));
  if (flags.json) return print(changes);
  if (changes.length === 0) process.stdout.write('nothing was ever configured\n');
  for (const { version, changedAt, by, comment, changed } of changes) {
    const when = new Date(changedAt).toISOString().slice(0, 19).replace('T', ' ');
    const head = [`version ${version}`, `${when} UTC`, by, comment].filter(Boolean).join('  ');
    const lines = [head, ...changed.map((line) => `  ${line}`)];
    for (const line of lines) process.stdout.write(`${cellText(line)}\n`);
  }
}

function put(flags: Flags, document: FleetConfig, version: number): Promise<ConfigResponse> {
  const body = { document, version, by: author(), comment: flags.message ?? '' };
  return ask(apiOf(flags.server).PUT('/api/v1/config', { body }));
}

/** Checked here too, so that a slip is told though nothing answers. */
function checked(input: unknown): FleetConfig {
  const parsed = parseFleetConfig(input);
  if (!parsed.ok) throw new Error(`the configuration was not changed:\n  ${parsed.errors.join('\n  ')}`);
  return parsed.value;
}

function tell(before: ConfigResponse, after: ConfigResponse): void {
  const old = before.error ? {} : before.document;
  const lines = describeChange(old, after.document).map((line) => `  ${cellText(line)}\n`);
  process.stdout.write(`version ${after.version}\n${lines.join('') || '  nothing differs\n'}`);
}

function author(): string {
  let user: string;
  try {
    user = userInfo().username;
  } catch {
    user = `uid ${process.getuid?.()}`; // A container may have no entry for its user.
  }
  return `${user}@${hostname()}`;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
