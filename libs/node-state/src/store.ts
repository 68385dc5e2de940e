import type { NodeState } from '@perfleet/messages';
import type { TokenStore } from '@perfleet/tokens';
import type { UploadLeaseStore } from '@perfleet/uploads';
import type { AlertStore } from './alert-store.ts';
import type { ConfigStore } from './config-store.ts';

/** A node of the registry. An entry that is not alive is a silent node: an alert, unless it deregistered. */
export interface NodeEntry {
  readonly state: NodeState;
  /** A heartbeat is in force. */
  readonly alive: boolean;
  /** Last heartbeat, or last `put` when none came: Unix milliseconds. */
  readonly lastSeen: number;
  /** Epochs whose heartbeats are in force. Two for longer than a restart takes: two collectors claim to be this node. */
  readonly liveEpochs: readonly string[];
}

/** What is known of a node from elsewhere, for a registry that lost everything. */
export interface RestoredNode {
  readonly state: NodeState;
  readonly lastSeen: number;
}

/**
 * What every node last said of itself, and the fleet's configuration. The registry never expires; heartbeats do.
 * All calls reject with NodeStateUnavailableError, soon, while the store is away; the caller tries again.
 */
export interface NodeStateStore {
  put(state: NodeState): Promise<void>;
  /** Says that this epoch of `node` lives, for `ttlMs` from now. */
  heartbeat(node: string, epoch: string, ttlMs: number): Promise<void>;
  /** Ordered by name. Entries that cannot be read (written by something else) are left out. */
  list(): Promise<NodeEntry[]>;
  get(node: string): Promise<NodeEntry | null>;
  /** Removes the node and its heartbeats: it left on purpose. */
  deregister(node: string): Promise<void>;
  /** The registry was never marked as complete: it is new, or it lost everything. */
  isBlank(): Promise<boolean>;
  /** Adds the nodes that are not there (one that has reported again knows better), and marks the registry as complete. */
  restore(nodes: readonly RestoredNode[]): Promise<void>;
  readonly config: ConfigStore;
  readonly alerts: AlertStore;
  readonly tokens: TokenStore;
  readonly uploads: UploadLeaseStore;
  close(): Promise<void>;
}
