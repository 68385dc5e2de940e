import { keyOf, type PodRecord } from './model.ts';
import { parsePodList } from './pod-list.ts';

/** An object of Kubernetes has 1.5 MiB at most in its store. */
const MAX_LINE_BYTES = 4 << 20;

/**
 * Reads a watch on pods: one JSON object a line, `{"type": "ADDED", "object": {…}}` (Kubernetes API concepts, "Efficient
 * detection of changes"). Calls back with all pods after each change.
 * @param listed what was listed before, at the version from which the watch starts
 * @throws when the watch breaks, or the version is too old (410); resolves when the server ends it. Either way: list again
 */
export async function readPodWatch(
  body: AsyncIterable<Uint8Array>,
  listed: readonly PodRecord[],
  onRecords: (records: readonly PodRecord[]) => void,
): Promise<void> {
  const pods = new Map(listed.map((record) => [keyOf(record), record]));
  for await (const line of linesOf(body)) {
    const { type, object } = JSON.parse(line) as { type?: unknown; object?: unknown };
    if (type === 'ERROR') {
      const { code, message } = (object ?? {}) as { code?: unknown; message?: unknown };
      throw new Error(`the watch ended with ${String(code)}: ${String(message).slice(0, 200)}`);
    }
    const [record] = parsePodList({ items: [object] });
    if (!record || type === 'BOOKMARK') continue;
    if (type === 'DELETED') pods.delete(keyOf(record));
    else pods.set(keyOf(record), record);
    onRecords([...pods.values()]);
  }
}

async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...parts, chunk.subarray(from, end)]).toString('utf8');
      [parts, bytes, from] = [[], 0, end + 1];
      if (line.trim() !== '') yield line;
    }
    parts.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > MAX_LINE_BYTES) throw new Error(`a line of the watch is longer than ${MAX_LINE_BYTES} bytes`);
  }
}
