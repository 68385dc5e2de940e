import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { repository } from '../support/workloads.ts';
import { parseDockerfile, type Stage } from './dockerfile.ts';

/** What a stage became. */
export interface Built {
  readonly root: string;
  readonly env: Record<string, string>;
  readonly workdir: string;
  readonly user: string;
  readonly entrypoint: readonly string[];
}

/** Directories of this machine that stand for the image of others that a stage begins with. */
const BASE = ['usr', 'bin', 'sbin', 'lib', 'lib64', 'etc', 'dev', 'proc', 'sys'];
/** The pinned Node, first on the path of every stage: base images are of its version, this machine need not be. */
const NODE = 'opt/pinned-node';

/**
 * Builds the stages of a Dockerfile as directories, where there is neither an engine nor a registry: COPY copies from the
 * repository as an engine's context has it, RUN runs in a root of its own over this machine's /usr. Two kinds of step stand for
 * themselves: packages of Debian are this machine's, and what `cargo build` makes is what the set-up made by the same command.
 */
export class ImageBuild {
  readonly #stages: readonly Stage[];
  readonly #built = new Map<string, Built>();

  /**
   * @param npmCi runs `npm ci` itself; else its result is the repository's own node_modules, by hard links, so `directory` must be
   *   on the repository's file system
   */
  constructor(
    private readonly directory: string,
    dockerfile: string,
    private readonly npmCi: boolean,
  ) {
    this.#stages = parseDockerfile(readFileSync(join(repository, dockerfile), 'utf8'));
    rmSync(directory, { recursive: true, force: true });
  }

  /** Builds a stage and those it is made of. */
  build(name: string): Built {
    const known = this.#built.get(name);
    if (known) return known;
    const stage = this.#stages.find((each) => each.name === name);
    if (!stage) throw new Error(`the Dockerfile has no stage ${name}`);
    const root = join(this.directory, name);
    let built: Built = { root, env: {}, workdir: '/', user: 'root', entrypoint: [] };
    mkdirSync(root, { recursive: true });
    if (this.#stages.some((each) => each.name === stage.from)) {
      built = { ...this.build(stage.from), root };
      execFileSync('cp', ['-al', `${this.build(stage.from).root}/.`, root]);
    }
    for (const { name: instruction, text } of stage.instructions) built = this.#step(built, instruction, text);
    this.#built.set(name, built);
    return built;
  }

  /** Starts a command in an image as its user, in its directory and with its environment. */
  start(image: Built, command: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const [file, ...args] = enter(image, command);
    return spawn(file!, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: `/${NODE}:${process.env['PATH']}`, HOME: '/root', ...image.env, ...env },
    });
  }

  #step(built: Built, instruction: string, text: string): Built {
    switch (instruction) {
      case 'WORKDIR':
        mkdirSync(join(built.root, text), { recursive: true });
        return { ...built, workdir: text };
      case 'ENV':
        return {
          ...built,
          env: { ...built.env, ...Object.fromEntries(text.split(/\s+/).map((pair) => pair.split('='))) },
        };
      case 'USER':
        return { ...built, user: text };
      case 'ENTRYPOINT':
        return { ...built, entrypoint: JSON.parse(text) as string[] };
      case 'CMD':
        return built;
      case 'COPY':
        this.#copy(built, text);
        return built;
      case 'RUN':
        this.#run(built, text);
        return built;
      default:
        throw new Error(`${instruction} is not an instruction that this build knows`);
    }
  }

  #copy(built: Built, text: string): void {
    const words = text.split(/\s+/);
    const from = words[0]!.startsWith('--from=') ? words.shift()!.slice('--from='.length) : '';
    const target = resolve(built.workdir, words.pop()!);
    const destination = join(built.root, target);
    const context = from === '' ? this.#context() : this.build(from).root;
    for (const source of words) {
      const path = join(context, source);
      const directory = execFileSync('sh', ['-c', 'test -d "$1" && echo yes || true', 'sh', path], {
        encoding: 'utf8',
      });
      // A directory's content goes into the target; a file into it when it is one, else it gets its name.
      const into = directory !== '' || text.endsWith('/') ? destination : join(destination, '..');
      mkdirSync(into, { recursive: true });
      execFileSync('cp', directory !== '' ? ['-al', `${path}/.`, destination] : ['-aL', path, destination]);
    }
  }

  #run(built: Built, text: string): void {
    if (text.startsWith('apt-get ')) return;
    if (text.startsWith('cargo build ')) {
      const release = join(built.root, built.workdir, 'target/release');
      mkdirSync(release, { recursive: true });
      for (const name of ['perfleet-sampler', ...['inotify', 'mapping', 'symbols'].map((n) => `libperfleet_${n}.so`)])
        copyFileSync(join(repository, 'native/target/release', name), join(release, name));
      execFileSync('chmod', ['755', join(release, 'perfleet-sampler')]);
      return;
    }
    if (text === 'npm ci' && !this.npmCi) {
      execFileSync('cp', ['-al', join(repository, 'node_modules'), join(built.root, built.workdir)]);
      return;
    }
    const [file, ...args] = enter(built, ['sh', '-c', text]);
    execFileSync(file!, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...network(), PATH: `/${NODE}:${process.env['PATH']}`, HOME: '/root', ...built.env },
    });
  }

  /** What an engine would be sent: files of the repository without those of .dockerignore, which git ignores as well. */
  #context(): string {
    const context = join(this.directory, 'context');
    if (this.#built.has('context')) return context;
    mkdirSync(context, { recursive: true });
    const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: repository,
    });
    const archive = execFileSync('tar', ['-c', '--null', '--ignore-failed-read', '-T', '-'], {
      cwd: repository,
      input: list,
      maxBuffer: 1 << 28,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    execFileSync('tar', ['-x', '-C', context], { input: archive });
    this.#built.set('context', { root: context, env: {}, workdir: '/', user: 'root', entrypoint: [] });
    return context;
  }
}

/** How this machine reaches a registry, as an engine would hand it on: proxies, certificates, npm's own settings. */
function network(): NodeJS.ProcessEnv {
  const wanted = /^(npm_config_.*|node_extra_ca_certs|ssl_cert_(file|dir)|(https?|no)_proxy)$/i;
  const settings = Object.fromEntries(Object.entries(process.env).filter(([name]) => wanted.test(name)));
  const file = join(homedir(), '.npmrc');
  if (!existsSync(file)) return settings;
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s*=\s*/));
  const options = lines.filter(([key, value]) => value && /^[a-z-]+$/.test(key!));
  return {
    ...Object.fromEntries(options.map(([key, value]) => [`npm_config_${key!.replaceAll('-', '_')}`, value])),
    ...settings,
  };
}

/** The command line that runs one in an image's root, in mounts of its own. */
function enter({ root, workdir, user }: Built, command: readonly string[]): string[] {
  const passwd = join(root, '..', 'passwd');
  // Images of Node have this user.
  writeFileSync(passwd, `${readFileSync('/etc/passwd', 'utf8')}node:x:1000:1000::/home/node:/bin/sh\n`);
  const group = join(root, '..', 'group');
  writeFileSync(group, `${readFileSync('/etc/group', 'utf8')}node:x:1000:\n`);
  const script = `
    set -e
    root=$1; shift
    for name in ${BASE.join(' ')}; do
      [ -e "/$name" ] || continue
      if [ -L "/$name" ]; then ln -sfn "$(readlink "/$name")" "$root/$name"
      else mkdir -p "$root/$name"; mount --rbind "/$name" "$root/$name"; fi
    done
    mkdir -p "$root/tmp" "$root/root" "$root/${NODE}"
    chmod 1777 "$root/tmp"
    mount --bind "$1" "$root/${NODE}"; shift
    mount --bind "$1" "$root/etc/passwd"; shift
    mount --bind "$1" "$root/etc/group"; shift
    exec chroot --userspec="$1" "$root" sh -c 'cd "$0" && exec "$@"' "$2" "\${@:3}"`;
  return [
    ...['unshare', '--mount', '--propagation', 'private', 'bash', '-c', script, 'bash', root],
    ...[join(repository, 'node_modules/node/bin'), passwd, group, user, workdir, ...command],
  ];
}
