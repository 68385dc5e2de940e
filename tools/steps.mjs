import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamps = join(root, '.cache', 'stamps');

/** A hash over names, sizes and modification times of all files below `paths`: cheap, and enough to notice an edit. */
export function fingerprint(paths, skip = /(^|\/)(node_modules|target|dist|\.cache)(\/|$)|\.node$/) {
  const hash = createHash('sha256');
  const visit = (path) => {
    const rel = relative(root, path);
    if (skip.test(rel) || !existsSync(path)) return;
    const stat = statSync(path);
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else hash.update(`${rel}\0${stat.size}\0${stat.mtimeMs}\n`);
  };
  for (const path of paths) visit(join(root, path));
  return hash.digest('hex');
}

export function stampIs(name, value) {
  const file = join(stamps, name);
  return existsSync(file) && readFileSync(file, 'utf8') === value;
}

export function setStamp(name, value) {
  mkdirSync(stamps, { recursive: true });
  writeFileSync(join(stamps, name), value);
}

export function hasCommand(name) {
  return spawnSync('sh', ['-c', `command -v "$1"`, 'sh', name], { stdio: 'ignore' }).status === 0;
}

/** Whether the C compiler finds a header. */
export function hasHeader(name) {
  const input = `#include <${name}>\n`;
  return (
    spawnSync('cc', ['-E', '-x', 'c', '-', '-o', '/dev/null'], { input, stdio: ['pipe', 'ignore', 'ignore'] })
      .status === 0
  );
}

/** Runs a command, shows a line of progress every ten seconds, and all of its output only when it fails. */
export function run(label, command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const started = Date.now();
    const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`;
    process.stderr.write(`perfleet: ${label} …\n`);
    const child = spawn(command, args, {
      cwd: root,
      ...options,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let last = '';
    const keep = (data) => {
      output = (output + data).slice(-200_000);
      last = String(data).trim().split('\n').pop()?.slice(0, 100) ?? last;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setInterval(() => process.stderr.write(`perfleet:   ${label} … ${seconds()}  ${last}\n`), 10_000);
    child.on('error', (error) => {
      clearInterval(timer);
      reject(new Error(`${label}: cannot run ${command}: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      clearInterval(timer);
      if (code === 0) {
        process.stderr.write(`perfleet: ${label} done, ${seconds()}\n`);
        resolve(output);
      } else {
        process.stderr.write(output);
        reject(new Error(`${label} failed (${signal ?? `exit code ${code}`}); the output is above`));
      }
    });
  });
}

export const nodeBinary = join(root, 'node_modules', 'node', 'bin', 'node');
/** Environment whose PATH finds the pinned Node and the local commands first. */
export const toolEnv = {
  PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}`,
  NX_DAEMON: 'false',
  NX_NO_CLOUD: 'true',
};
