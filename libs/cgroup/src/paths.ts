/** A kernel path is at most 4096 bytes; a longer line is not one, and is not worth a regular expression. */
const MAX_LINE = 16 << 10;
const MAX_LINES = 1024;

export interface ProcCgroupLine {
  /** As written: "" for v2, else controllers or `name=…`. */
  readonly controllers: readonly string[];
  readonly path: string;
}

/** Lines of /proc/PID/cgroup; what is not one is left out. Never throws. */
export function parseProcCgroup(procCgroup: unknown): ProcCgroupLine[] {
  const lines = typeof procCgroup === 'string' ? procCgroup.split('\n', MAX_LINES) : strings(procCgroup, MAX_LINES);
  const parsed: ProcCgroupLine[] = [];
  for (const raw of lines) {
    const line = raw.endsWith('\n') ? raw.slice(0, -1) : raw;
    // The path may hold colons itself, so only the first two split.
    const first = line.indexOf(':');
    const second = first < 0 ? -1 : line.indexOf(':', first + 1);
    if (second < 0 || line.length > MAX_LINE) continue;
    const controllers = line.slice(first + 1, second);
    parsed.push({
      controllers: controllers === '' ? [] : controllers.split(','),
      path: line.slice(second + 1).replace(/ \(deleted\)$/, ''),
    });
  }
  return parsed;
}

/** Path segments, without empty ones. */
export function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '' && segment !== '.');
}

/** `/a/b`, without a trailing slash and without empty segments; `/` for the root. */
export function normalPath(path: string): string {
  return `/${segmentsOf(path).join('/')}`;
}

export function joinPath(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`;
}

/** True when `path` is `top` or lies below it. */
export function isBelow(path: string, top: string): boolean {
  return top === '/' || path === top || path.startsWith(`${top}/`);
}

/** The strings of what should be an array of them. */
export function strings(value: unknown, limit = Infinity): string[] {
  if (!Array.isArray(value)) return [];
  const found: string[] = [];
  for (let i = 0; i < value.length && found.length < limit; i++) {
    if (typeof value[i] === 'string') found.push(value[i]);
  }
  return found;
}
