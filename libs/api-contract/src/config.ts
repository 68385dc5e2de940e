import type { FleetConfig, NodeSettings } from '@perfleet/fleet-config';

/** GET config?node : the fleet's configuration. Its version is also the `ETag`. */
export interface ConfigResponse {
  /** 0 = nothing was ever configured. */
  readonly version: number;
  /** Unix milliseconds, 0 when there is none. */
  readonly changedAt: number;
  readonly by: string;
  readonly comment: string;
  readonly document: FleetConfig;
  /** Why what stands in the store is not valid, and therefore used by no node; "" when it is. */
  readonly error: string;
  /** With `node`: what the document means for it, where the collector's own flags say nothing else. */
  readonly node?: string;
  readonly settings?: NodeSettings;
}

/**
 * PUT config: replaces the document. The version that the change is based on stands in `version`, or as `If-Match: "3"`;
 * `If-Match: *` replaces whatever there is. Answers a ConfigResponse; 400 names the fields that are wrong, 409 and 412 the version
 * that somebody else made meanwhile.
 */
export interface ConfigRequest {
  readonly document: FleetConfig;
  readonly version?: number;
  readonly by?: string;
  readonly comment?: string;
}

/** GET config/history?limit : changes, newest first. */
export interface ConfigHistoryResponse {
  readonly changes: ReadonlyArray<{
    readonly version: number;
    readonly changedAt: number;
    readonly by: string;
    readonly comment: string;
    readonly document: unknown;
    /** What it changed, one line a field; empty for the oldest that is kept. */
    readonly changed: readonly string[];
  }>;
}
