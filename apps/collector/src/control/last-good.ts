import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_DOCUMENT_BYTES, parseFleetConfig, type FleetConfig } from '@perfleet/fleet-config';
import type { ConfigRevision } from '@perfleet/node-state';
import { z } from 'zod';

export interface KnownConfig {
  readonly revision: ConfigRevision;
  readonly document: FleetConfig;
}

const fileSchema = z.object({ version: z.number().int().min(1), changedAt: z.number(), document: z.unknown() });

/** The last valid configuration that this node saw, in a file that outlives it: version, time of change and document as JSON. */
export class LastGoodFile {
  private readonly path: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, 'fleet-config.json');
  }

  /** @returns null when there is none; @throws Error that says what is wrong with the file, which the next valid document replaces */
  read(): KnownConfig | null {
    let text: string;
    try {
      const { size } = statSync(this.path);
      if (size > 2 * MAX_DOCUMENT_BYTES) throw new Error(`it has ${size} bytes`);
      text = readFileSync(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw this.unusable(error);
    }
    try {
      const { document, ...revision } = fileSchema.parse(JSON.parse(text));
      const parsed = parseFleetConfig(document);
      if (!parsed.ok) throw new Error(parsed.errors.join('; '));
      return { revision, document: parsed.value };
    } catch (error) {
      throw this.unusable(error);
    }
  }

  /** Replaces the file in one step: after a crash at any moment it is the old one or the new one. @throws Error */
  write({ revision, document }: KnownConfig): void {
    const next = `${this.path}.new`;
    const file = openSync(next, 'w', 0o644);
    try {
      writeSync(file, JSON.stringify({ ...revision, document }));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(next, this.path);
  }

  private unusable(cause: unknown): Error {
    const why = cause instanceof z.ZodError || cause instanceof SyntaxError ? 'it is damaged' : messageOf(cause);
    return new Error(`the copy of the configuration ${this.path} cannot be used: ${why}`, { cause });
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
