import { readFileSync } from 'node:fs';
import { ConfigError, variableName } from '@perfleet/config';
import type { Settings } from '../settings.ts';

export function missing(key: keyof Settings & string, hint: string): ConfigError {
  return new ConfigError(`bad configuration:\n  ${variableName(key)} is missing: ${hint}`);
}

/** The file that a setting names. @throws ConfigError that names the variable */
export function readSetting(key: keyof Settings & string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`bad configuration:\n  ${variableName(key)}=${path}: cannot be read (${cause})`);
  }
}
