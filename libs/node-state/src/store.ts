import type { NodeState } from '@perfleet/messages';

/** A node of the registry. An entry that is not alive is a silent node: an alert, unless it deregistered. */
export interface NodeEntry {
  readonly state: NodeState;
  /** A heartbeat is in force. */
  readonly alive: boolean;
  /** Last heartbeat, or last `put` when none came: Unix milliseconds. */
  readonly lastSeen: number;
}

export interface ConfigDocument {
  /** 1, 2, 3, … */
  readonly version: number;
  /** JSON as it was set; whoever reads it validates it. */
  readonly document: unknown;
}

/**
 * What every node last said of itself, and the fleet's configuration. The registry never expires; heartbeats do.
 * All calls reject with NodeStateUnavailableError, soon, while the store is away; the caller tries again.
 */
export interface NodeStateStore {
  put(state: NodeState): Promise<void>;
  /** Says that `node` lives, for `ttlMs` from now. */
  heartbeat(node: string, ttlMs: number): Promise<void>;
  /** Ordered by name. Entries that cannot be read (written by something else) are left out. */
  list(): Promise<NodeEntry[]>;
  get(node: string): Promise<NodeEntry | null>;
  /** Removes the node and its heartbeat: it left on purpose. */
  deregister(node: string): Promise<void>;
  getConfig(): Promise<ConfigDocument | null>;
  /**
   * @param expectedVersion the version that the change is based on (0 = there was none); left out = overwrite
   * @returns the new version
   * @throws ConfigConflictError
   */
  setConfig(document: unknown, expectedVersion?: number): Promise<number>;
  close(): Promise<void>;
}
