import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface ToolCheck {
  readonly available: boolean;
  /** Why not and what to do; empty when available. Belongs into the name of what is skipped. */
  readonly reason: string;
}

/** What to install where the package's name is not the command's. */
const PACKAGES: Readonly<Record<string, string>> = {
  java: 'openjdk-17-jre-headless',
  mvn: 'maven',
  go: 'golang',
  promtool: 'prometheus',
  perf: 'linux-perf',
  objdump: 'binutils',
  nm: 'binutils',
  'qemu-system-x86_64': 'qemu-system-x86',
  setpriv: 'util-linux',
  'llvm-symbolizer-14': 'llvm-14',
};

/**
 * Whether a command is in the PATH, for `describe.skipIf(!tool.available)`; the name of the suite says the reason:
 *
 *     const java = requireTool('java');
 *     describe.skipIf(!java.available)(`broker${java.reason && ` (skipped: ${java.reason})`}`, …)
 */
export function requireTool(name: string): ToolCheck {
  for (const dir of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return { available: true, reason: '' };
    } catch {
      continue;
    }
  }
  return { available: false, reason: `${name} is missing; sudo apt-get install ${PACKAGES[name] ?? name}` };
}
