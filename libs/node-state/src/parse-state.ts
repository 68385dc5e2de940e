import { nodeStateSchema, type NodeState } from '@perfleet/messages';

/** @returns null when the text is not a node state: a store is shared, and one bad entry must not hide the others. */
export function parseState(text: string): NodeState | null {
  try {
    return nodeStateSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
