import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Newest last: of a kernel that is in several, the last one's is taken. */
const SOURCES = [
  ['debian', 'bullseye'],
  ['debian-security', 'bullseye-security'],
  ['debian', 'bookworm'],
  ['debian', 'bookworm-backports'],
  ['debian', 'trixie'],
  ['debian', 'trixie-backports'],
  ['debian', 'sid'],
] as const;
const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';
const MIRROR = 'http://deb.debian.org';

/** Debian's packages through apt, which checks their signatures and hashes, with a state of its own below `dir`. */
export class Packages {
  private readonly options: string[];

  constructor(private readonly dir: string) {
    const file = join(dir, 'sources.list');
    for (const part of ['state/lists/partial', 'cache/archives/partial'])
      mkdirSync(join(dir, part), { recursive: true });
    const lines = SOURCES.map(([archive, suite]) => `deb [signed-by=${KEYS}] ${MIRROR}/${archive} ${suite} main\n`);
    writeFileSync(file, lines.join(''));
    writeFileSync(join(dir, 'status'), '');
    this.options = Object.entries({
      'Dir::State': join(dir, 'state'),
      'Dir::State::status': join(dir, 'status'),
      'Dir::Cache': join(dir, 'cache'),
      'Dir::Etc::SourceList': file,
      'Dir::Etc::SourceParts': '-',
      'Dir::Etc::PreferencesParts': '-',
      'Acquire::Languages': 'none',
      'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
      'APT::Sandbox::User': 'root',
    }).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  }

  async update(): Promise<void> {
    await this.apt('apt-get', ['update', '-qq']);
  }

  /** Names of the packages with kernels of the standard flavour. */
  async kernels(): Promise<string[]> {
    return (await this.apt('apt-cache', ['pkgnames', 'linux-image-'])).split('\n');
  }

  /** The package's files below a directory that is kept for the next run. */
  async unpacked(name: string): Promise<string> {
    const to = join(this.dir, 'unpacked', name.replaceAll('/', '_'));
    if (existsSync(to)) return to;
    const downloads = join(this.dir, 'downloads', name.replaceAll('/', '_'));
    rmSync(downloads, { recursive: true, force: true });
    mkdirSync(downloads, { recursive: true });
    await this.apt('apt-get', ['download', '-qq', name], downloads);
    const file = readdirSync(downloads).find((entry) => entry.endsWith('.deb'));
    if (!file) throw new Error(`apt-get download ${name} left no package`);
    mkdirSync(`${to}.new`, { recursive: true });
    await run('dpkg-deb', ['-x', join(downloads, file), `${to}.new`]);
    rmSync(downloads, { recursive: true });
    rmSync(join(`${to}.new`, 'lib'), { recursive: true, force: true });
    renameSync(`${to}.new`, to);
    return to;
  }

  /** Path of the kernel in this package or the one that it only stands for. */
  async kernel(image: string): Promise<string> {
    for (const name of [image, image.replace(/^linux-image-/, 'linux-binary-')]) {
      const dir = await this.unpacked(name);
      for (const place of ['boot', 'usr/lib/modules', '.']) {
        const at = join(dir, place);
        const file =
          existsSync(at) && readdirSync(at, { recursive: true }).find((f) => /(^|\/)vmlinuz/.test(String(f)));
        if (file) return join(at, String(file));
      }
    }
    throw new Error(`${image} has no kernel in it`);
  }

  private async apt(command: string, args: string[], cwd?: string): Promise<string> {
    const { stdout } = await run(command, [...this.options, ...args], { cwd, maxBuffer: 64 << 20 });
    return stdout;
  }
}

/** Of each series (5.10, 6.1 …) the newest package of the standard flavour, oldest series first. */
export function newestOfSeries(packages: readonly string[]): Map<string, string> {
  const newest = new Map<string, string>();
  const sorted = packages
    .filter((name) => /^linux-image-\d+\.\d+\.\d+\S*-amd64$/.test(name) && !/-(cloud|rt)-amd64$|deb11\./.test(name))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  for (const name of sorted) newest.set(/^linux-image-(\d+\.\d+)/.exec(name)![1]!, name);
  return newest;
}
