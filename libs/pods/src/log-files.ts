import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { PodRecord, PodSource } from './model.ts';

const FILE = /^([^_]+)_([^_]+)_(.+)-([0-9a-f]{64})\.log$/;
/** The links point to `/var/log/pods/<namespace>_<pod>_<uid>/<container>/0.log`. */
const TARGET = /\/([^/_]+)_([^/_]+)_([^/]+)\/[^/]+\/[^/]+$/;
const MAX_FILES = 20_000;

/** Names that need no permission at all: the kubelet's links in /var/log/containers. They name no service. */
export function logFilesSource(dir = '/var/log/containers'): PodSource {
  return {
    name: 'log-files',
    async list(signal) {
      const names = (await readdir(dir)).slice(0, MAX_FILES);
      const pods = new Map<
        string,
        { uids: Set<string>; record: PodRecord; containers: Array<{ id: string; name: string }> }
      >();
      for (const name of names) {
        signal.throwIfAborted();
        const parsed = parseLogFileName(name);
        if (!parsed) continue;
        const { namespace, pod, container, containerId } = parsed;
        const uid = await uidOf(join(dir, name), namespace, pod);
        // A pod that was made anew under its old name has another UID and is another pod.
        const key = `${namespace}/${pod}/${uid}`;
        let known = pods.get(key);
        if (!known) {
          const [uids, containers] = [new Set<string>(), []];
          pods.set(key, (known = { uids, containers, record: { uids: [], namespace, pod, containers } }));
        }
        if (uid) known.uids.add(uid);
        known.containers.push({ id: containerId, name: container });
      }
      return [...pods.values()].map(({ uids, record }) => ({ ...record, uids: [...uids] }));
    },
  };
}

/** `<pod>_<namespace>_<container>-<64 hex digits>.log`; null when it is not such a name. */
export function parseLogFileName(
  name: string,
): { pod: string; namespace: string; container: string; containerId: string } | null {
  const match = FILE.exec(name);
  if (!match) return null;
  return { pod: match[1]!, namespace: match[2]!, container: match[3]!, containerId: match[4]! };
}

async function uidOf(link: string, namespace: string, pod: string): Promise<string> {
  try {
    const match = TARGET.exec(await readlink(link));
    return match?.[1] === namespace && match[2] === pod ? match[3]! : '';
  } catch {
    // A plain file, or not for this user to read: the container's id still names it.
    return '';
  }
}
