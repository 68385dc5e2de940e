import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const markerSchema = z.object({
  epoch: z.string().regex(/^[0-9a-f]{16}$/),
  startedAt: z.number(),
  /** When a window was last handled, and how many samples it had: what a kill can have cost at most is estimated from them. */
  lastWindowAt: z.number().default(0),
  lastWindowTaken: z.number().int().min(0).default(0),
});
export type RunRecord = z.infer<typeof markerSchema>;

/** A file that exists while a collector runs. One that is found at start-up was left by a run that ended uncleanly. */
export class RunMarker {
  private readonly path: string;

  constructor(private readonly dataDir: string) {
    this.path = join(dataDir, 'running.json');
  }

  /** @returns the run that ended uncleanly, or null. An unreadable marker counts as one, with epoch 0. */
  previous(): RunRecord | null {
    let text: string;
    try {
      text = readFileSync(this.path, 'utf8');
    } catch {
      return null;
    }
    try {
      return markerSchema.parse(JSON.parse(text));
    } catch {
      return { epoch: '0'.repeat(16), startedAt: 0, lastWindowAt: 0, lastWindowTaken: 0 };
    }
  }

  /** Replaces the file in one step. Failure (a full disk) loses only the estimate. */
  write(record: RunRecord): void {
    try {
      mkdirSync(this.dataDir, { recursive: true, mode: 0o700 });
      writeFileSync(`${this.path}.new`, JSON.stringify(record));
      renameSync(`${this.path}.new`, this.path);
    } catch {
      // The next window tries again.
    }
  }

  clear(): void {
    rmSync(this.path, { force: true });
  }
}
