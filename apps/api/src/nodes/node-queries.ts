import type { NodeSummary, NodesResponse } from '@perfleet/api-contract';
import type { NodeEntry, NodeStateStore } from '@perfleet/node-state';
import { notFound } from '../http/api-error.ts';
import { reachNodeState } from './reach.ts';

export class NodeQueries {
  constructor(private readonly nodeState: NodeStateStore) {}

  async entries(): Promise<NodeEntry[]> {
    return reachNodeState(() => this.nodeState.list());
  }

  async list(): Promise<NodesResponse> {
    return { nodes: (await this.entries()).map(summaryOf) };
  }

  async get(node: string): Promise<NodeSummary> {
    const entry = await reachNodeState(() => this.nodeState.get(node));
    if (!entry) throw notFound(`no node is called ${node.slice(0, 253)}`);
    return summaryOf(entry);
  }
}

function summaryOf({ state, alive, lastSeen }: NodeEntry): NodeSummary {
  const { node, cluster, mode, fallback, modeReason, rung, rungReason, kernel, cgroupVersion, cpus } = state;
  const { rateHz, restarts, lastExit, taken, published, lost, clockSkewMs } = state;
  return {
    node,
    cluster,
    alive,
    lastSeen,
    mode,
    fallback,
    modeReason,
    rung,
    rungReason,
    kernel,
    cgroupVersion,
    cpus,
    rateHz,
    restarts,
    lastExit,
    taken,
    published,
    lost,
    clockSkewMs,
  };
}
