/**
 * Installs what is missing and skips what is there: npm packages, Debian packages (when root), the native build,
 * the bundles and, for tests, the Kafka jars. Uses only what Node 20 itself brings.
 *
 *   node tools/setup.mjs          what `npm start` needs
 *   node tools/setup.mjs --tests  what `npm test` needs besides
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprint, hasCommand, hasHeader, nodeBinary, root, run, setStamp, stampIs, toolEnv } from './steps.mjs';

const DEBIAN_BUILD = ['clang', 'libelf-dev', 'zlib1g-dev', 'pkg-config', 'make', 'gcc', 'g++'];
const DEBIAN_TEST = [
  'redis-server',
  'chromium',
  'fonts-dejavu-core',
  'linux-perf',
  'runc',
  'binutils',
  'gdb',
  'prometheus',
  'musl-tools',
  'libstdc++6-arm64-cross',
  'llvm-14',
  'prometheus-alertmanager',
];

export async function setup({ tests = false } = {}) {
  const notes = [];
  const attempt = async (what, step) => {
    try {
      await step();
    } catch (error) {
      notes.push(`${what}: ${error.message}`);
    }
  };
  // What is fetched waits for others, what is built for processors: each goes on while the other does.
  const [fetched] = await Promise.allSettled([
    fetchAll(attempt, tests),
    attempt('Debian packages', () => debianPackages([...DEBIAN_BUILD, ...(tests ? DEBIAN_TEST : [])], notes)).then(() =>
      attempt('native build', () => nativeBuild(notes)),
    ),
  ]);
  if (fetched.status === 'rejected') throw fetched.reason;
  await bundles();
  for (const note of notes) process.stderr.write(`perfleet: going on without: ${note}\n`);
  return notes;
}

/** @throws Error without npm packages: nothing works without them */
async function fetchAll(attempt, tests) {
  await npmPackages();
  if (!tests) return;
  await attempt('Kafka jars', async () => {
    const { ensureKafkaJars } = await import('./kafka-jars.mjs');
    await ensureKafkaJars({ log: (line) => process.stderr.write(`perfleet: ${line}\n`) });
  });
  await attempt('checkers of deployment files', goTools);
}

async function npmPackages() {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const key = `${lock.length}:${fingerprint(['package.json'])}`;
  if (stampIs('npm', key) && existsSync(nodeBinary)) return;
  await run('npm packages', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (!existsSync(nodeBinary)) {
    // npm may hold back install scripts; this one links the Node binary that came as a package.
    await run('Node 24', process.execPath, ['installArchSpecificPackage.js'], {
      cwd: join(root, 'node_modules', 'node'),
    });
  }
  setStamp('npm', key);
}

async function debianPackages(wanted, notes) {
  if (!hasCommand('dpkg-query')) return;
  const answer = spawnSync('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n', ...wanted], {
    encoding: 'utf8',
  }).stdout;
  const installed = new Set(
    answer
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  const missing = wanted.filter((name) => !installed.has(name));
  if (missing.length === 0) return;
  if (process.getuid() !== 0) {
    notes.push(
      `Debian packages are missing and this is not root; install them with: sudo apt-get install ${missing.join(' ')}`,
    );
    return;
  }
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run('Debian package lists', 'apt-get', ['update', '-q'], { env });
  await run(
    `Debian packages ${missing.join(' ')}`,
    'apt-get',
    ['install', '-y', '-q', '--no-install-recommends', ...missing],
    { env },
  );
}

/** Directories of `native` that are built into addons for Node. */
const ADDONS = ['inotify', 'mapping', 'symbols'];

/** Parts of the native build that need more than Rust and a C compiler: what is missing for each, and what goes without. */
function optionalParts() {
  const commands = (...names) => names.filter((name) => !hasCommand(name));
  const headers = (...names) => names.filter((name) => !hasHeader(name));
  return [
    {
      feature: 'perfleet-sampler/bpf',
      missing: [...commands(process.env.CLANG ?? 'clang', 'make', 'pkg-config'), ...headers('libelf.h', 'zlib.h')],
      without: 'the eBPF sampler (rung 1); lower rungs walk stacks by frame pointers',
    },
    { feature: 'perfleet-symbols/swift', missing: commands('c++'), without: 'readable names of Swift' },
  ];
}

async function nativeBuild(notes) {
  const parts = optionalParts();
  for (const { missing, without } of parts)
    if (missing.length > 0) notes.push(`${without}: the build needs ${missing.join(', ')}`);
  const possible = parts.filter(({ missing }) => missing.length === 0).map(({ feature }) => feature);
  const features = ['perfleet-mapping/addon', ...possible];
  const key = `${fingerprint(['native'])}:${features.join()}`;
  const addonPath = (name) => join(root, 'native', name, `perfleet-${name}.node`);
  const built = [...ADDONS.map(addonPath), join(root, 'native/target/release/perfleet-sampler')];
  if (stampIs('native', key) && built.every((path) => existsSync(path))) return;
  if (!hasCommand('cargo'))
    throw new Error(
      'cargo is missing; install Rust (https://rustup.rs), then run again. Nothing can be sampled until then',
    );
  const packages = ['sampler', ...ADDONS].flatMap((name) => ['-p', `perfleet-${name}`]);
  const build = ['build', '--release', '--locked', ...packages];
  await run(
    'native build (sampler, addons)',
    'cargo',
    [...build, '--no-default-features', '--features', features.join()],
    { cwd: join(root, 'native') },
  );
  for (const name of ADDONS) {
    // A rename replaces the file whole: a process that has the old one loaded keeps it.
    copyFileSync(join(root, `native/target/release/libperfleet_${name}.so`), `${addonPath(name)}.new`);
    renameSync(`${addonPath(name)}.new`, addonPath(name));
  }
  setStamp('native', key);
}

/** What checks deployment files by the schemas of those who read them. */
async function goTools() {
  if (!hasCommand('go')) throw new Error('go is missing; install golang');
  const bin = join(root, '.cache/go');
  const schemas = join(root, 'tests/deploy/schemas');
  const key = fingerprint(['tests/deploy/schemas']);
  if (stampIs('go', key)) return;
  await run('kubectl-validate', 'go', ['install', 'sigs.k8s.io/kubectl-validate@v0.0.4'], { env: { GOBIN: bin } });
  await run('schemas of images and dashboards', 'go', ['build', '-o', join(bin, 'schemas'), '.'], { cwd: schemas });
  setStamp('go', key);
}

async function bundles() {
  const key = fingerprint(['apps', 'libs', 'bench/src', 'tsconfig.json', 'package-lock.json']);
  if (
    stampIs('bundles', key) &&
    existsSync(join(root, 'apps/cli/dist/main.js')) &&
    existsSync(join(root, 'apps/web/dist/index.html'))
  )
    return;
  for (const app of ['cli', 'web']) {
    await run(
      `bundle ${app}`,
      nodeBinary,
      [join(root, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn'],
      { cwd: join(root, 'apps', app), env: toolEnv },
    );
  }
  setStamp('bundles', key);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await setup({ tests: process.argv.includes('--tests') }).catch((error) => {
    process.stderr.write(`perfleet: ${error.message}\n`);
    process.exit(1);
  });
}
