import { Fleet, type Pod } from '@perfleet/simulate';
import type { JournalRow } from './journal.ts';

const PODS_PER_NODE = 3;

/** Small messages, and stacks that come again and again as well as ones that come once. */
export function faultFleet(seed: number, nodes: number): Fleet {
  return new Fleet({
    seed,
    nodes,
    pods: nodes * PODS_PER_NODE,
    services: Math.min(4, nodes * PODS_PER_NODE),
    stacksPerService: 400,
    samplesPerWindow: 15,
  });
}

/** What a window of these pods must become in the store. */
export function rowsOf(fleet: Fleet, pods: readonly Pod[], window: number): JournalRow[] {
  return pods.flatMap((pod) => {
    const { length, stacks, counts } = fleet.window(pod, window);
    return Array.from({ length }, (_, i): JournalRow => {
      return [pod.name, String(pod.service.graph.stackIds[stacks[i]!]!), counts[i]!];
    });
  });
}
