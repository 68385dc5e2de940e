import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @returns `configured` when it is given, else the build's place below the directory that holds nx.json. */
export function samplerBinaryPath(configured?: string): string {
  if (configured) return configured;
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'nx.json')) && dirname(dir) !== dir) dir = dirname(dir);
  return join(dir, 'native/target/release/perfleet-sampler');
}
