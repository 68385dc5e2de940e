import { fleetNodes, groupByCause } from '@perfleet/api-contract';
import type {
  CausesResponse,
  FleetColumns,
  NodeSummary,
  NodesResponse,
  NodeTimelineResponse,
} from '@perfleet/api-contract';
import type { NodeEntry, NodeStateStore } from '@perfleet/node-state';
import type { FactReader } from '../alerts/facts.ts';
import { notFound } from '../http/api-error.ts';
import type { TimeRange } from '../http/time.ts';
import type { Db } from '../queries/db.ts';
import { fleetOf } from './fleet.ts';
import { reachNodeState } from './reach.ts';
import { queryTimeline } from './timeline.ts';

export class NodeQueries {
  constructor(
    private readonly nodeState: NodeStateStore,
    private readonly db: Db,
    private readonly facts: FactReader,
  ) {}

  async entries(): Promise<NodeEntry[]> {
    return reachNodeState(() => this.nodeState.list());
  }

  async list(): Promise<NodesResponse> {
    return { nodes: (await this.entries()).map(summaryOf) };
  }

  async fleet(): Promise<FleetColumns> {
    const [entries, shares] = await Promise.all([this.entries(), this.facts.recentShares()]);
    return fleetOf(entries, shares);
  }

  async causes(): Promise<CausesResponse> {
    return { causes: groupByCause(fleetNodes(await this.fleet())) };
  }

  timeline(node: string, range: TimeRange, signal: AbortSignal): Promise<NodeTimelineResponse> {
    return queryTimeline(this.db, node, range, { signal });
  }

  /** An operator says that the node is gone: it raises no alert any more. One that still lives registers again. */
  async remove(node: string): Promise<NodeSummary> {
    const gone = await this.get(node);
    await reachNodeState(() => this.nodeState.deregister(node));
    return gone;
  }

  async get(node: string): Promise<NodeSummary> {
    const entry = await reachNodeState(() => this.nodeState.get(node));
    if (!entry) throw notFound(`no node is called ${node.slice(0, 253)}`);
    return summaryOf(entry);
  }
}

function summaryOf({ state, alive, lastSeen }: NodeEntry): NodeSummary {
  const { node, cluster, mode, fallback, modeReason, rung, rungReason, rungWanted, kernel, cgroupVersion, cpus } =
    state;
  const { rateWanted, configVersion, configError, governor, governorReason, cpuPercent, memoryMib } = state;
  const { podRoots, kubeletMismatches, rateHz, restarts, lastExit, taken, published, lost, clockSkewMs } = state;
  const { uploads } = state;
  return {
    node,
    cluster,
    alive,
    lastSeen,
    mode,
    fallback,
    modeReason,
    podRoots,
    kubeletMismatches,
    rung,
    rungReason,
    rungWanted,
    kernel,
    cgroupVersion,
    cpus,
    rateHz,
    // One that does not say has no governor.
    rateWanted: rateWanted || rateHz,
    configVersion,
    configError,
    governor,
    governorReason,
    cpuPercent,
    memoryMib,
    restarts,
    lastExit,
    taken,
    published,
    lost,
    clockSkewMs,
    ...(uploads ? { uploads } : {}),
  };
}
