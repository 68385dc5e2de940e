import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A file system of its own that can be filled to the last byte. */
export class SmallDisk {
  private constructor(readonly path: string) {}

  /** @returns null, with the reason, where none can be mounted */
  static open(path: string, megabytes: number): { disk: SmallDisk | null; reason: string } {
    mkdirSync(path, { recursive: true });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'perfleet-faults', path], { stdio: 'pipe' });
      const disk = new SmallDisk(path);
      process.once('exit', () => disk.remove());
      return { disk, reason: '' };
    } catch (error) {
      const said = (error as { stderr?: Buffer }).stderr?.toString().trim() || String(error);
      return { disk: null, reason: `no small file system: ${said}` };
    }
  }

  fill(): void {
    const file = openSync(join(this.path, 'ballast'), 'w');
    try {
      for (let size = 1 << 16; size > 0;) {
        try {
          if (writeSync(file, Buffer.alloc(size)) < size) size >>= 4;
        } catch {
          size >>= 4;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(join(this.path, 'ballast'), { force: true });
  }

  remove(): void {
    try {
      // Lazily: a process that was killed a moment ago may still be in it.
      execFileSync('umount', ['-l', this.path], { stdio: 'ignore' });
    } catch {
      // Unmounted already.
    }
  }
}
