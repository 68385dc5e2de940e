import { access, open, readlink } from 'node:fs/promises';
import type { Machine } from './model.ts';

/** No file of the kernel that is looked at is larger; mountinfo of a busy node comes closest. */
const MAX_BYTES = 1 << 20;

export const realMachine: Machine = {
  async readText(path) {
    const file = await open(path, 'r');
    try {
      const buffer = Buffer.alloc(MAX_BYTES);
      let filled = 0;
      // Files of /proc come in pieces.
      for (let read = -1; read !== 0 && filled < MAX_BYTES; filled += read) {
        read = (await file.read(buffer, filled, MAX_BYTES - filled, null)).bytesRead;
      }
      return buffer.toString('utf8', 0, filled);
    } finally {
      await file.close();
    }
  },
  readLink: (path) => readlink(path),
  exists: (path) =>
    access(path).then(
      () => true,
      () => false,
    ),
};
