import type { NodeState } from '@perfleet/messages';
import type { DiscoveryState } from './node-discovery.ts';

/** Bounds of the node state's schema: a node of a thousand roots is still told. */
const MAX_ROOTS = 32;
const MAX_PATH = 1000;
const MAX_MISMATCHES = 8;
const MAX_MISMATCH = 300;

/** What of discovery the node state tells besides the mode. */
export function toldState(state: DiscoveryState): Pick<NodeState, 'podRoots' | 'kubeletMismatches' | 'cgroupVersion'> {
  return {
    podRoots: state.podRoots.filter((path) => path.length <= MAX_PATH).slice(0, MAX_ROOTS),
    kubeletMismatches: state.kubeletMismatches.slice(0, MAX_MISMATCHES).map((text) => text.slice(0, MAX_MISMATCH)),
    cgroupVersion: state.cgroupVersion,
  };
}
