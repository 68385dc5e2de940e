export interface TableOptions {
  /** Columns of the terminal; the widest text column gives way. Absent = as wide as it comes (a file, a pipe). */
  readonly width?: number;
}

const GAP = 2;
/** No text column is cut below this. */
const NARROWEST = 16;

/** Rows as aligned columns; columns whose cells are all numbers are right-aligned. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly unknown[])[],
  { width = terminalWidth() }: TableOptions = {},
): string {
  const cells = rows.map((row) => row.map(cellText));
  const widths = header.map((title, i) =>
    cells.reduce((most, row) => Math.max(most, row[i]?.length ?? 0), title.length),
  );
  const numeric = header.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  for (let over = sum(widths) + GAP * (widths.length - 1) - width; over > 0;) {
    const widest = widths.reduce((at, w, i) => (!numeric[i] && w > (widths[at] ?? 0) ? i : at), -1);
    if (widest < 0 || widths[widest]! <= NARROWEST) break;
    const second = Math.max(NARROWEST, ...widths.filter((_, i) => i !== widest && !numeric[i]));
    const less = Math.min(over, Math.max(1, widths[widest]! - second), widths[widest]! - NARROWEST);
    widths[widest]! -= less;
    over -= less;
  }
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => {
        const text = cut(cell, widths[i]!);
        return numeric[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!);
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  return [line(header), line(widths.map((w) => '-'.repeat(w))), ...cells.map(line)].join('\n') + '\n';
}

/** Names come from binaries and containers: what they hold must not move the cursor of a terminal. */
export function cellText(cell: unknown): string {
  const text = cell !== null && typeof cell === 'object' ? JSON.stringify(cell) : String(cell ?? '');
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

/** Both ends of a name tell something, so the middle goes. */
function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  const head = Math.ceil((width - 1) * 0.7);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}

function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Infinity;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
