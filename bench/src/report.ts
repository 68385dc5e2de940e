import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

export type Cell = string | number;

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** One figure against its reference, both measured in this run. */
export interface Ratio {
  readonly what: string;
  readonly value: number;
  readonly reference: string;
  readonly referenceValue: number;
  /** value / referenceValue. */
  readonly ratio: number;
  /** Which way is good. */
  readonly better: 'higher' | 'lower';
}

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** One-minute load average when the benchmark began: what else ran. */
  readonly load: number;
}

export interface Report {
  readonly name: string;
  readonly date: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly parameters: Readonly<Record<string, Cell>>;
  readonly ratios: readonly Ratio[];
  readonly tables: readonly Table[];
  /** What the figures do not say by themselves; also what could not be measured, and why. */
  readonly notes: readonly string[];
}

/** What a benchmark's `run` returns; the rest of the report is the same for all. */
export type Result = Pick<Report, 'parameters' | 'ratios' | 'tables' | 'notes'>;

export interface BenchContext {
  /** Small enough for a test: sane figures, not comparable ones. */
  readonly quick: boolean;
  readonly options: Readonly<Record<string, string | undefined>>;
  /** Root of the repository. */
  readonly root: string;
  /** An empty directory that is removed at the end. */
  readonly directory: string;
  progress(line: string): void;
}

export interface BenchOption {
  /** As commander takes it, e.g. `--rows <n>`. */
  readonly flags: string;
  readonly description: string;
}

export interface Benchmark {
  readonly name: string;
  readonly description: string;
  readonly options: readonly BenchOption[];
  run(context: BenchContext): Promise<Result>;
}

export function ratio(
  what: string,
  value: number,
  reference: string,
  referenceValue: number,
  better: Ratio['better'],
): Ratio {
  return {
    what,
    value: round(value),
    reference,
    referenceValue: round(referenceValue),
    ratio: round(value / referenceValue),
    better,
  };
}

/** Three significant digits, which is more than a shared machine repeats. */
export function round(value: number): number {
  return Number.isFinite(value) && value !== 0 ? Number(value.toPrecision(3)) : value;
}

export function thisMachine(load: number): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    memoryGb: round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    load: round(load),
  };
}

export function commitOf(root: string): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!bench/RESULTS.md') !== '';
    return git('rev-parse', '--short', 'HEAD') + (changed ? '+changes' : '');
  } catch {
    return 'unknown';
  }
}

const text = (cell: Cell) =>
  typeof cell === 'number' ? round(cell).toLocaleString('en-US', { maximumFractionDigits: 6 }) : cell;

function ratioTable(ratios: readonly Ratio[]): Table {
  return {
    title: 'Against the reference of the same run',
    columns: ['what', 'figure', 'reference', 'its figure', 'ratio', 'better is'],
    rows: ratios.map((r) => [r.what, r.value, r.reference, r.referenceValue, r.ratio, r.better]),
  };
}

/** For the terminal. */
export function toText(report: Report): string {
  const tables = report.ratios.length > 0 ? [ratioTable(report.ratios), ...report.tables] : report.tables;
  const blocks = tables.map(({ title, columns, rows }) => {
    const cells = [columns, ...rows.map((row) => row.map(text))];
    const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
    const numeric = columns.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
    const line = (row: readonly string[]) =>
      row
        .map((cell, i) => (numeric[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd();
    return `${title}\n${cells.map((row) => `  ${line(row)}`).join('\n')}\n`;
  });
  return `${heading(report)}\n\n${blocks.join('\n')}${report.notes.map((note) => `\n- ${note}`).join('')}\n`;
}

/** One section of RESULTS.md. */
export function toMarkdown(report: Report): string {
  const tables = report.ratios.length > 0 ? [ratioTable(report.ratios), ...report.tables] : report.tables;
  const blocks = tables.map(({ title, columns, rows }) => {
    const line = (cells: readonly string[]) => `| ${cells.map((c) => c.replaceAll('|', '\\|')).join(' | ')} |`;
    const body = rows.map((row) => line(row.map(text)));
    return [`**${title}**`, '', line(columns), line(columns.map(() => '---')), ...body, ''].join('\n');
  });
  const notes = report.notes.map((note) => `- ${note}`).join('\n');
  return `\n## ${report.name}, ${report.date.slice(0, 10)}\n\n${heading(report)}\n\n${blocks.join('\n')}${notes ? `\n${notes}\n` : ''}`;
}

function heading({ name, date, commit, machine: m, parameters }: Report): string {
  const settings = Object.entries(parameters)
    .map(([key, value]) => `${key} ${text(value)}`)
    .join(', ');
  return (
    `bench ${name} at ${commit}, ${date}; ${m.cpus} × ${m.cpu}, ${m.memoryGb} GB, Linux ${m.kernel}, Node ${m.node}, ` +
    `load ${m.load} at the start${settings ? `; ${settings}` : ''}`
  );
}

/** The file as it is, with a section more. */
export function withSection(path: string, report: Report): string {
  const before = existsSync(path)
    ? readFileSync(path, 'utf8')
    : '# Results\n\nWritten by `perfleet bench NAME --record`; see README.md.\n';
  return before + toMarkdown(report);
}
