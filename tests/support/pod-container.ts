import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Built } from '../deploy/image-build.ts';

/** What is used of a pod's template. */
export interface PodSpec {
  readonly hostPID?: boolean;
  readonly containers: ReadonlyArray<{
    readonly args: readonly string[];
    readonly securityContext: {
      readonly readOnlyRootFilesystem: boolean;
      readonly allowPrivilegeEscalation: boolean;
      readonly capabilities: { readonly drop: readonly string[]; readonly add?: readonly string[] };
    };
    readonly resources: { readonly limits: { readonly memory: string } };
    readonly volumeMounts: ReadonlyArray<{
      readonly name: string;
      readonly mountPath: string;
      readonly readOnly?: boolean;
    }>;
  }>;
  readonly volumes: ReadonlyArray<{
    readonly name: string;
    readonly hostPath?: { readonly path: string };
    readonly emptyDir?: object;
  }>;
}

/** What containerd hides from containers that ask for nothing else (its default of the runtime specification). */
const MASKED = ['/proc/acpi', '/proc/asound', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list'];
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

/**
 * Runs a pod's first container by runc as a kubelet would: its capabilities, its mounts, its read-only root, its limit of memory.
 * It has the host's network, since there is no other here.
 * @param hostPaths directories of this machine that stand for host paths of the manifest
 */
export function startPodContainer(
  directory: string,
  pod: PodSpec,
  image: Built,
  cgroup: string,
  env: Record<string, string>,
  hostPaths: Record<string, string>,
): { readonly child: ChildProcess; stop(): void } {
  const [container] = pod.containers;
  const { securityContext, resources, volumeMounts, args } = container!;
  const capabilities = (securityContext.capabilities.add ?? []).map((name) => `CAP_${name}`);
  const base = ['usr', 'bin', 'sbin', 'lib', 'lib64', 'etc'].flatMap((name) => {
    if (!existsSync(`/${name}`)) return [];
    const inside = join(image.root, name);
    if (lstatSync(`/${name}`).isSymbolicLink()) {
      rmSync(inside, { force: true });
      symlinkSync(readlinkSync(`/${name}`), inside);
      return [];
    }
    return [bind(`/${name}`, `/${name}`, true)];
  });
  const volumes = volumeMounts.map(({ name, mountPath, readOnly }) => {
    const { hostPath } = pod.volumes.find((volume) => volume.name === name)!;
    if (!hostPath) return { destination: mountPath, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=1777'] };
    return bind(hostPaths[hostPath.path] ?? hostPath.path, mountPath, readOnly ?? false);
  });
  const devices = DEVICES.map((name) => device(name));
  const bundle = join(directory, 'bundle');
  mkdirSync(bundle, { recursive: true });
  writeFileSync(
    join(bundle, 'config.json'),
    JSON.stringify({
      ociVersion: '1.0.2',
      process: {
        terminal: false,
        user: { uid: 0, gid: 0 },
        args: [...image.entrypoint, ...args],
        cwd: image.workdir,
        env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
        noNewPrivileges: !securityContext.allowPrivilegeEscalation,
        capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      },
      root: { path: image.root, readonly: securityContext.readOnlyRootFilesystem },
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755'] },
        bind('/sys', '/sys', true),
        ...base,
        ...volumes,
      ],
      linux: {
        cgroupsPath: cgroup,
        namespaces: ['mount', 'ipc', 'uts', ...(pod.hostPID ? [] : ['pid'])].map((type) => ({ type })),
        devices,
        resources: {
          memory: { limit: bytes(resources.limits.memory) },
          devices: [
            { allow: false, access: 'rwm' },
            ...devices.map(({ type, major, minor }) => ({ allow: true, type, major, minor, access: 'rwm' })),
          ],
        },
        maskedPaths: MASKED,
        readonlyPaths: READ_ONLY,
      },
    }),
  );
  const id = `perfleet-${process.pid}-${Date.now()}`;
  const state = ['--root', join(directory, 'runc')];
  const child = spawn('runc', [...state, 'run', '--bundle', bundle, id], { stdio: ['ignore', 'pipe', 'pipe'] });
  return {
    child,
    stop: () => void execFileSync('runc', [...state, 'delete', '--force', id], { stdio: 'ignore' }),
  };
}

function bind(source: string, destination: string, readOnly: boolean) {
  return { destination, type: 'bind', source, options: ['rbind', 'rslave', readOnly ? 'ro' : 'rw'] };
}

function device(name: string) {
  const [major, minor] = execFileSync('stat', ['-c', '%t %T', `/dev/${name}`], { encoding: 'utf8' })
    .trim()
    .split(' ')
    .map((hex) => Number.parseInt(hex, 16));
  return { path: `/dev/${name}`, type: 'c', major, minor, fileMode: 0o666, uid: 0, gid: 0 };
}

/** Bytes of a quantity of Kubernetes in Mi or Gi. */
function bytes(quantity: string): number {
  const [, value, unit] = /^(\d+)(Mi|Gi)$/.exec(quantity)!;
  return Number(value) * (unit === 'Mi' ? 1 << 20 : 1 << 30);
}
