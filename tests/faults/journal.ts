import { existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

/** Samples of one pod and stack in a window. */
export type JournalRow = readonly [pod: string, stack: string, samples: number];

/**
 * What a simulated node did, one JSON object a line, each on the disk before the next step:
 *
 *   epoch    a run begins
 *   window   samples are about to be handed to the spool
 *   outcome  … and the spool took them, or refused them (disk full)
 */
export type JournalLine =
  | { readonly kind: 'epoch'; readonly epoch: string }
  | { readonly kind: 'window'; readonly window: number; readonly time: number; readonly rows: readonly JournalRow[] }
  | { readonly kind: 'outcome'; readonly window: number; readonly taken: boolean };

export interface JournalWindow {
  readonly window: number;
  /** Unix seconds, another for each window of the node. */
  readonly time: number;
  readonly rows: readonly JournalRow[];
  readonly samples: number;
  /** null: the run was killed before it could tell. */
  taken: boolean | null;
}

export interface JournalEpoch {
  readonly epoch: string;
  readonly windows: JournalWindow[];
}

/** Appends to the journal of one node; lives beside the spool and not in it, so that a full spool leaves it whole. */
export class Journal {
  private readonly fd: number;

  constructor(path: string) {
    this.fd = openSync(path, 'a');
    // Ends a line that a kill tore.
    writeSync(this.fd, '\n');
  }

  write(line: JournalLine): void {
    writeSync(this.fd, `${JSON.stringify(line)}\n`);
    fsyncSync(this.fd);
  }
}

/** A line that a kill tore was never acted upon: it is left out. */
export function readJournal(path: string): JournalEpoch[] {
  const epochs: JournalEpoch[] = [];
  for (const text of existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []) {
    const line = parse(text);
    if (line?.kind === 'epoch') epochs.push({ epoch: line.epoch, windows: [] });
    const windows = epochs.at(-1)?.windows;
    if (line?.kind === 'window') {
      const samples = line.rows.reduce((sum, [, , n]) => sum + n, 0);
      windows!.push({ window: line.window, time: line.time, rows: line.rows, samples, taken: null });
    }
    if (line?.kind === 'outcome') windows!.findLast(({ window }) => window === line.window)!.taken = line.taken;
  }
  return epochs;
}

function parse(text: string): JournalLine | null {
  try {
    return JSON.parse(text) as JournalLine;
  } catch {
    return null;
  }
}
