import { execFile, execFileSync, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { tempDir, waitFor } from './helpers.ts';
import { requireTool, type ToolCheck } from './tools.ts';

export type PodClass = 'guaranteed' | 'burstable' | 'besteffort';

export interface TestContainer {
  readonly podUid: string;
  readonly containerId: string;
  /** Inside every hierarchy. */
  readonly cgroup: string;
  /** Name of its executable: no other process on the machine has it. */
  readonly executable: string;
}

/** Containers as a kubelet lays them out, started by runc. */
export interface TestKubepods {
  /**
   * Starts a pod with one container that burns a CPU, for ever or for so many seconds.
   * @param scheduled hears of it before it runs, as an API server does
   */
  start(qos: PodClass, seconds?: number, scheduled?: (container: TestContainer) => void): Promise<TestContainer>;
  /** Kills a container and removes its cgroups and its pod's. */
  remove(container: TestContainer): Promise<void>;
  /** Makes or removes one directory in every hierarchy, e.g. `/kubepods/burstable`. */
  makeDirectory(path: string): void;
  removeDirectory(path: string): void;
  /** Mode of a directory in every hierarchy. */
  chmod(path: string, mode: string): void;
  /** Command line that runs another one where these cgroups are mounted. */
  readonly wrapper: readonly string[];
  /**
   * The same, in a pod's cgroup and a cgroup namespace of its own, as an agent that is a pod: it sees its siblings as `/../…`.
   * `own` = it also mounts cgroup2 anew, which shows it nothing but itself.
   */
  agentWrapper(mounts: 'host' | 'own'): readonly string[];
  close(): Promise<void>;
}

/** How the kubelet names what it makes: `kubepods/burstable/podUID/ID`, or slices and scopes. */
export type CgroupDriver = 'cgroupfs' | 'systemd';

/** `host`: as this machine mounts its cgroups. `v2`: a private mount namespace with cgroup2 only. */
export type CgroupLayout = 'host' | 'v2';

/** Why containers cannot be had here; for `describe.skipIf`. */
export function requireKubepods(): ToolCheck {
  if (process.getuid?.() !== 0) return { available: false, reason: 'starting containers needs root' };
  for (const name of ['runc', 'gcc', 'unshare', 'nsenter']) {
    const tool = requireTool(name);
    if (!tool.available) return tool;
  }
  return { available: true, reason: '' };
}

const run = promisify(execFile);
/** Only one at a time: a node has one /kubepods. */
const LOCK = '/run/lock/perfleet-kubepods.lock';

/**
 * Prepares the mounts, says so, and waits for its input to end: when the test's process ends, however it ends, every
 * container and every cgroup below /kubepods that it made goes.
 */
const HOLDER = `
state=$1; layout=$2
exec 9>"$3"
flock -w 240 9 || { echo "another test holds $3"; exit 1; }
if [ "$layout" = v2 ]; then umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 1; fi
echo ready
cat >/dev/null
trap '' HUP INT TERM
for id in $(runc --root "$state" list -q); do runc --root "$state" delete -f "$id"; done
for try in 1 2 3 4 5 6 7 8 9 10; do
  left=$(find /sys/fs/cgroup -maxdepth 2 -type d '(' -name kubepods -o -name kubepods.slice ')')
  [ -z "$left" ] && break
  find $left -depth -type d -exec rmdir {} + 2>/dev/null
  sleep 0.1
done
`;

/** Joins a cgroup in every hierarchy, leaves for a namespace whose root that is, and becomes the command. */
const AGENT = `
cgroup=$1; mounts=$2; shift 2
for top in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ -w "$top/cgroup.procs" ] && mkdir -p "$top$cgroup" || continue
  # A cpuset of v1 takes processes only when it has CPUs and memory.
  at=$top; for part in $(echo "$cgroup" | tr / ' '); do
    for file in cpus mems; do [ -w "$at/$part/cpuset.$file" ] && cat "$at/cpuset.$file" >"$at/$part/cpuset.$file"; done
    at=$at/$part
  done
  echo $$ >"$top$cgroup/cgroup.procs" || exit 1
done
own='umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"'
if [ "$mounts" = own ]; then exec unshare --cgroup --mount sh -c "$own" sh "$@"; fi
exec unshare --cgroup "$@"
`;

export async function openKubepods(
  layout: CgroupLayout = 'host',
  driver: CgroupDriver = 'cgroupfs',
): Promise<TestKubepods> {
  const dir = tempDir('perfleet-kubepods-');
  const state = join(dir.path, 'state');
  mkdirSync('/run/lock', { recursive: true });
  const burn = join(dir.path, 'burn');
  const source = fileURLToPath(new URL('./burn.fixture.c', import.meta.url));
  execFileSync('gcc', ['-O1', '-static', '-fno-omit-frame-pointer', '-o', burn, source]);

  const holder = spawn(
    'unshare',
    [
      '--mount',
      '--propagation',
      layout === 'v2' ? 'private' : 'unchanged',
      'sh',
      '-c',
      HOLDER,
      'sh',
      state,
      layout,
      LOCK,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  holder.stdin.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => holder.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once('data', (data: Buffer) => {
      if (data.toString().startsWith('ready')) resolve();
      else reject(new Error(data.toString().trim()));
    });
    holder.once('exit', (code) => reject(new Error(`cgroups could not be prepared: exit code ${code}`)));
  });

  const wrapper = layout === 'v2' ? ['nsenter', '--mount', `--target=${holder.pid}`] : [];
  const inside = (command: string, ...args: string[]) => {
    const [file, ...rest] = [...wrapper, command, ...args] as [string, ...string[]];
    return run(file, rest, { cwd: '/' });
  };
  const each = (command: string) =>
    execFileSync(wrapper[0] ?? 'sh', [...wrapper.slice(1), ...(wrapper.length > 0 ? ['sh'] : []), '-c', command]);
  const tops = layout === 'v2' ? '/sys/fs/cgroup' : '/sys/fs/cgroup/*';
  const inEach = (path: string, command: string) =>
    each(`for top in ${tops}; do d="$top${path}"; ${command} || exit 1; done`);

  return {
    wrapper,
    async start(qos, seconds = 0, scheduled = () => undefined) {
      const podUid = randomUUID();
      const containerId = createHash('sha256').update(podUid).digest('hex');
      const executable = `burn-${podUid.slice(0, 8)}`;
      const cgroup = cgroupOf(driver, qos, podUid, containerId);
      const container = { podUid, containerId, cgroup, executable };
      const bundle = join(dir.path, containerId);
      mkdirSync(join(bundle, 'rootfs/proc'), { recursive: true });
      copyFileSync(burn, join(bundle, 'rootfs', executable));
      writeFileSync(
        join(bundle, 'config.json'),
        JSON.stringify(bundleConfig(cgroup, [`/${executable}`, String(seconds)])),
      );
      scheduled(container);
      const args = ['--root', state, 'run', '--detach', '--bundle', bundle, containerId];
      const [file, ...rest] = [...wrapper, 'runc', ...args] as [string, ...string[]];
      const child = spawn(file, rest, { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/' });
      let errors = '';
      child.stderr.on('data', (data) => (errors += String(data)));
      // The container holds the pipe open: the exit of runc counts, not the end of the pipe.
      const code = await new Promise((resolve) => child.once('exit', resolve));
      child.stderr.destroy();
      if (code !== 0) throw new Error(`runc run ended with ${String(code)}: ${errors}`);
      return container;
    },
    async remove({ containerId, cgroup }) {
      await inside('runc', '--root', state, 'delete', '--force', containerId);
      const pod = cgroup.slice(0, cgroup.lastIndexOf('/'));
      // The kernel lets go of a killed process a moment after it is gone for others.
      await waitFor(() => (inEach(pod, 'if [ -d "$d" ]; then find "$d" -depth -type d -exec rmdir {} +; fi'), true), {
        timeoutMs: 10_000,
        what: `${pod} to be empty`,
      });
    },
    agentWrapper(mounts) {
      const id = createHash('sha256').update(dir.path).digest('hex');
      return [...wrapper, 'sh', '-c', AGENT, 'sh', cgroupOf(driver, 'besteffort', randomUUID(), id), mounts];
    },
    makeDirectory: (path) => void inEach(path, 'if [ -w "$top" ]; then mkdir -p "$d"; fi'),
    removeDirectory: (path) => void inEach(path, 'if [ -d "$d" ]; then rmdir "$d"; fi'),
    chmod: (path, mode) => void inEach(path, `if [ -d "$d" ]; then chmod ${mode} "$d"; fi`),
    async close() {
      holder.stdin.end();
      await ended;
      rmSync(dir.path, { recursive: true, force: true });
      dir.remove();
    },
  };
}

/** As kubelet and containerd name it (kubernetes/pkg/kubelet/cm, containerd/pkg/cri). */
function cgroupOf(driver: CgroupDriver, qos: PodClass, uid: string, id: string): string {
  const classes = qos === 'guaranteed' ? [] : [qos];
  if (driver === 'cgroupfs') return ['', 'kubepods', ...classes, `pod${uid}`, id].join('/');
  const name = ['kubepods', ...classes].join('-');
  const slices = [
    'kubepods.slice',
    ...classes.map(() => `${name}.slice`),
    `${name}-pod${uid.replaceAll('-', '_')}.slice`,
  ];
  return ['', ...slices, `cri-containerd-${id}.scope`].join('/');
}

/** The least that runc 1.1 wants (OCI runtime specification 1.0.2). */
function bundleConfig(cgroup: string, args: readonly string[]) {
  return {
    ociVersion: '1.0.2',
    process: { terminal: false, user: { uid: 0, gid: 0 }, args, cwd: '/' },
    root: { path: 'rootfs', readonly: true },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: { cgroupsPath: cgroup, namespaces: [{ type: 'mount' }, { type: 'pid' }], resources: {} },
  };
}
