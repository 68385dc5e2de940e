export interface CgroupMount {
  readonly mountpoint: string;
  /** Root of the mount inside its hierarchy. */
  readonly root: string;
  readonly version: 1 | 2;
  /** v1: controllers and `name=…`, from the super-options; v2: empty. */
  readonly controllers: readonly string[];
}

/** Lines of /proc/self/mountinfo that discovery looks at: cgroup mounts and what is mounted above them. */
export function cgroupLines(mountinfo: string): string[] {
  const lines = mountinfo.split('\n').filter((line) => line !== '');
  const mounts = lines.filter((line) => / - cgroup2? /.test(line));
  const points = mounts.map((line) => line.split(' ')[4] ?? '');
  return lines.filter(
    (line) =>
      mounts.includes(line) || points.some((p) => p.startsWith(`${line.split(' ')[4]}/`) && line.split(' ')[4] !== '/'),
  );
}

/** Octal escapes of space, tab, newline and backslash, as the kernel writes them. */
export function unescapeMount(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

export function parseCgroupMounts(lines: readonly string[]): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of lines) {
    const [before, after] = line.split(' - ');
    const fields = before?.split(' ') ?? [];
    const [type, , options = ''] = after?.split(' ') ?? [];
    if (type !== 'cgroup' && type !== 'cgroup2') continue;
    const words = options.split(',').filter((word) => word !== 'rw' && word !== 'ro');
    mounts.push({
      mountpoint: unescapeMount(fields[4] ?? ''),
      root: unescapeMount(fields[3] ?? '/'),
      version: type === 'cgroup2' ? 2 : 1,
      controllers: type === 'cgroup2' ? [] : words,
    });
  }
  return mounts.filter((mount) => mount.mountpoint !== '');
}

export function cgroupVersion(mounts: readonly CgroupMount[]): 'v1' | 'v2' | 'hybrid' | 'none' {
  const v1 = mounts.some((m) => m.version === 1);
  const v2 = mounts.some((m) => m.version === 2);
  return v1 && v2 ? 'hybrid' : v1 ? 'v1' : v2 ? 'v2' : 'none';
}
