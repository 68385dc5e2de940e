/**
 * One inotify instance that wakes nobody: events wait in the kernel until they are read, so a thousand of them cost one
 * call. All calls are answered at once and block nothing.
 */
export class Inotify {
  /** @throws when the user has no instance left (fs.inotify.max_user_instances) */
  constructor();
  /**
   * Watches the entries of a directory; the same directory again is the same watch.
   * @returns the watch, 1 or more; or a negative errno, e.g. -28 where fs.inotify.max_user_watches is reached
   */
  add(path: string): number;
  /** A watch that is gone already is no error. */
  remove(watch: number): void;
  /**
   * Fills the buffer with whole `struct inotify_event`, in the order in which things happened (inotify(7)).
   * @param into at least 4096 bytes
   * @returns bytes filled in; 0 = nothing more has happened
   */
  read(into: Uint8Array): number;
  close(): void;
}
