#!/usr/bin/env node
// Starts the bundled command with the Node version that the project pins.
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { setPriority } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

// Before anything is loaded, which on a busy node takes seconds at a turn among equals: apps/cli/src/collector-process.ts.
if (process.argv[2] === 'collector')
  try {
    setPriority(-10);
  } catch {
    // Not allowed to.
  }

const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));
const bundle = join(root, 'apps/cli/dist/main.js');
const addons = ['inotify', 'mapping', 'symbols'].map((name) => join(root, `native/${name}/perfleet-${name}.node`));
const pinned = join(root, 'node_modules/node/bin/node');

for (const [file, what] of [
  [bundle, 'not built yet'],
  ...addons.map((addon) => [addon, 'its native part is not built (it needs Rust and gcc)']),
])
  if (!existsSync(file)) {
    process.stderr.write(`perfleet: ${what}; run \`npm run setup\` in the repository and see what it names\n`);
    process.exit(1);
  }
if (Number(process.versions.node.split('.')[0]) >= 24 || !existsSync(pinned)) {
  await import(pathToFileURL(bundle).href);
} else {
  // Ctrl-C reaches the child through the process group; a signal to this process alone is handed on.
  const child = spawn(pinned, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code) => process.exit(code ?? 1));
}
