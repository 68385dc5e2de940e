import { CAPABILITY_COUNT, effectiveCapabilities } from './capabilities.ts';
import type { Finding, Machine } from './model.ts';

/** Since 5.8 BPF ring buffers exist, and CAP_BPF and CAP_PERFMON instead of CAP_SYS_ADMIN. */
const RING_BUFFERS: readonly [number, number] = [5, 8];

export async function checkKernel(machine: Machine): Promise<Finding> {
  const release = (await machine.readText('/proc/sys/kernel/osrelease')).trim();
  const match = /^(\d+)\.(\d+)/.exec(release);
  if (!match) return { status: 'degraded', detail: `unknown kernel release "${release}"` };
  const [major, minor] = [Number(match[1]), Number(match[2])];
  const [needMajor, needMinor] = RING_BUFFERS;
  if (major > needMajor || (major === needMajor && minor >= needMinor))
    return { status: 'pass', detail: `Linux ${release}` };
  const detail = `Linux ${release} is older than ${needMajor}.${needMinor}: no eBPF sampling, perf events only`;
  return { status: 'degraded', detail, fix: `boot Linux ${needMajor}.${needMinor} or later` };
}

export async function checkBtf(machine: Machine): Promise<Finding> {
  if (await machine.exists('/sys/kernel/btf/vmlinux')) return { status: 'pass', detail: '/sys/kernel/btf/vmlinux' };
  return {
    status: 'degraded',
    detail: 'the kernel does not describe its types: no eBPF sampling, perf events only',
    fix: 'boot a kernel with CONFIG_DEBUG_INFO_BTF=y, or mount the host’s /sys',
  };
}

export async function checkCapabilities(machine: Machine): Promise<Finding> {
  const names = effectiveCapabilities(await machine.readText('/proc/self/status'));
  if (!names) return { status: 'degraded', detail: '/proc/self/status does not say' };
  const has = (...wanted: string[]) => wanted.every((name) => names.includes(name));
  const shown = names.length > 12 ? `${names.length} of ${CAPABILITY_COUNT}` : names.join(', ') || 'none';
  const fix = 'run as root, or grant CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH';
  if (!has('CAP_SYS_ADMIN') && !has('CAP_BPF', 'CAP_PERFMON')) {
    const perf = has('CAP_PERFMON') ? 'perf events only' : 'what perf_event_paranoid leaves';
    return { status: 'degraded', detail: `${shown}; no eBPF sampling: ${perf}`, fix };
  }
  if (!has('CAP_SYS_PTRACE')) {
    return {
      status: 'degraded',
      detail: `${shown}; binaries of other users cannot be opened`,
      fix: 'grant CAP_SYS_PTRACE',
    };
  }
  return { status: 'pass', detail: names.length > 12 ? `${shown}, CAP_SYS_PTRACE among them` : shown };
}

/** Levels: kernel Documentation/admin-guide/sysctl/kernel.rst; Debian and Android add 3 and above. */
export async function checkParanoid(machine: Machine): Promise<Finding> {
  const level = Number((await machine.readText('/proc/sys/kernel/perf_event_paranoid')).trim());
  if (!Number.isInteger(level)) return { status: 'degraded', detail: 'perf_event_paranoid is no number' };
  const names = effectiveCapabilities(await machine.readText('/proc/self/status').catch(() => '')) ?? [];
  const detail = `perf_event_paranoid = ${level}`;
  if (names.includes('CAP_PERFMON') || names.includes('CAP_SYS_ADMIN')) {
    return { status: 'pass', detail: `${detail}, and a capability overrides it` };
  }
  const fix = 'sysctl kernel.perf_event_paranoid=-1, or grant CAP_PERFMON';
  if (level <= 0) return { status: 'pass', detail };
  if (level <= 2) return { status: 'degraded', detail: `${detail}: own processes only`, fix };
  return { status: 'degraded', detail: `${detail}: no perf events for this user`, fix };
}

export async function checkMemory(machine: Machine): Promise<Finding> {
  const limits = await machine.readText('/proc/self/limits');
  const locked = /^Max locked memory\s+(\S+)/m.exec(limits)?.[1] ?? 'unknown';
  const lockedText = /^\d+$/.test(locked) ? mebibytes(Number(locked)) : locked;
  const limit = await cgroupLimit(machine);
  const detail = `locked memory ${lockedText}; cgroup limit ${limit === null ? 'none' : mebibytes(limit)}`;
  if (limit !== null && limit < 128 << 20) {
    return { status: 'degraded', detail, fix: 'give the collector at least 128 MiB' };
  }
  // Maps of eBPF count against it before 5.11 only, so a small limit alone is no fault.
  return { status: 'pass', detail };
}

/** Of the own cgroup, as the container sees it; null = none. */
async function cgroupLimit(machine: Machine): Promise<number | null> {
  for (const path of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    const text = await machine.readText(path).catch(() => '');
    const bytes = /^\d+$/.test(text.trim()) ? Number(text.trim()) : NaN;
    // v1 prints the largest multiple of a page for "none".
    if (bytes < 2 ** 60) return bytes;
  }
  return null;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
