import {
  DEFAULT_BUDGET,
  NO_FILTERS,
  resolveSettings,
  type FleetConfig,
  type NodeSettings,
} from '@perfleet/fleet-config';
import { LastGoodFile } from './last-good.ts';

/** Flags and variables of this collector: what the document does not state. */
export type OwnSettings = Partial<Pick<NodeSettings, 'rateHz' | 'windowSeconds' | 'rung' | 'offCpu'>>;

/** Whose settings they are. */
export interface SettingsOf {
  readonly node: string;
  readonly cluster: string;
  readonly own: OwnSettings;
}

/** What a document says to this node; null = nothing was ever configured. */
export function nodeSettings(document: FleetConfig | null, { node, cluster, own }: SettingsOf): NodeSettings {
  const base: NodeSettings = {
    ...{ rateHz: own.rateHz ?? 19, windowSeconds: own.windowSeconds ?? 5, rung: own.rung ?? 'auto' },
    ...{ offCpu: own.offCpu ?? false, budget: DEFAULT_BUDGET, filters: NO_FILTERS },
  };
  return resolveSettings(document, { node, cluster }, base);
}

/** What is in force before anybody answers: by the copy on disk. That it cannot be used is said when the collector reads it. */
export function settingsOnDisk(dataDir: string, of: SettingsOf): NodeSettings {
  let known = null;
  try {
    known = new LastGoodFile(dataDir).read();
  } catch {
    // As if there were none.
  }
  return nodeSettings(known?.document ?? null, of);
}
