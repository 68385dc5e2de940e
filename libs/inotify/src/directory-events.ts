import { getSystemErrorName } from 'node:util';
import { Inotify } from '@perfleet/native-inotify';

export interface DirectoryEvent {
  /** Of the directory in which it happened; -1 for `overflow`. */
  readonly watch: number;
  /**
   * `came` and `went`: a directory of that name. `ended`: the watch is gone, with its directory or its file system.
   * `overflow`: the kernel dropped events that nobody read in time; what there is must be looked at.
   */
  readonly kind: 'came' | 'went' | 'ended' | 'overflow';
  /** "" for `ended` and `overflow`. A name that is no UTF-8 has replacement characters. */
  readonly name: string;
}

// include/uapi/linux/inotify.h
const IN_MOVED_FROM = 0x40;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_Q_OVERFLOW = 0x4000;
const IN_IGNORED = 0x8000;
const IN_ISDIR = 0x4000_0000;
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

const BUFFER_BYTES = 64 << 10;
/** Of one `read`, so that a storm of events cannot hold the event loop; what is left is read the next time. */
const MAX_READS = 16;

/** A watch that cannot be had; `code` is the errno's name. */
export class WatchError extends Error {
  constructor(
    readonly path: string,
    readonly code: string,
  ) {
    super(`${path} cannot be watched: ${code}`);
  }
}

/** Directories that come and go in watched directories. Events wait in the kernel until they are read. */
export class DirectoryEvents {
  private readonly inotify = new Inotify();
  private readonly buffer = Buffer.alloc(BUFFER_BYTES);

  /** @returns the watch; the same for a directory that is watched already. @throws WatchError */
  add(path: string): number {
    const watch = this.inotify.add(path);
    if (watch < 0) throw new WatchError(path, getSystemErrorName(watch));
    return watch;
  }

  remove(watch: number): void {
    this.inotify.remove(watch);
  }

  /** What happened since the last call, in that order, up to a megabyte of it. */
  read(): DirectoryEvent[] {
    const events: DirectoryEvent[] = [];
    for (let i = 0; i < MAX_READS; i++) {
      const length = this.inotify.read(this.buffer);
      if (length === 0) break;
      parseEvents(this.buffer.subarray(0, length), events);
    }
    return events;
  }

  close(): void {
    this.inotify.close();
  }
}

/** `struct inotify_event` one after another, in the machine's byte order: wd, mask, cookie, length and name (inotify(7)). */
export function parseEvents(bytes: Buffer, into: DirectoryEvent[] = []): DirectoryEvent[] {
  const int32 = (at: number) => (LITTLE_ENDIAN ? bytes.readInt32LE(at) : bytes.readInt32BE(at));
  for (let at = 0; at + 16 <= bytes.length;) {
    const mask = int32(at + 4);
    const end = at + 16 + int32(at + 12);
    const kind = kindOf(mask);
    if (kind) into.push({ watch: int32(at), kind, name: nameAt(bytes, at + 16, end) });
    at = end;
  }
  return into;
}

function kindOf(mask: number): DirectoryEvent['kind'] | null {
  if (mask & IN_Q_OVERFLOW) return 'overflow';
  if (mask & IN_IGNORED) return 'ended';
  if (!(mask & IN_ISDIR)) return null;
  if (mask & (IN_CREATE | IN_MOVED_TO)) return 'came';
  return mask & (IN_DELETE | IN_MOVED_FROM) ? 'went' : null;
}

/** Padded with zero bytes. */
function nameAt(bytes: Buffer, begin: number, end: number): string {
  const zero = bytes.indexOf(0, begin);
  return bytes.toString('utf8', begin, zero < 0 || zero > end ? end : zero);
}
