import type { AlertsResponse, NodeSummary, NodesResponse } from '@perfleet/api-contract';
import { NodeStateUnavailableError, type NodeEntry, type NodeStateStore } from '@perfleet/node-state';
import { ApiError, notFound } from '../http/api-error.ts';
import type { Db } from '../queries/db.ts';
import { alertsOf, type LastChanges } from './alerts.ts';

export class NodeQueries {
  constructor(
    private readonly nodeState: NodeStateStore,
    private readonly db: Db,
  ) {}

  async entries(): Promise<NodeEntry[]> {
    return this.reach(() => this.nodeState.list());
  }

  async list(): Promise<NodesResponse> {
    return { nodes: (await this.entries()).map(summaryOf) };
  }

  async get(node: string): Promise<NodeSummary> {
    const entry = await this.reach(() => this.nodeState.get(node));
    if (!entry) throw notFound(`no node is called ${node.slice(0, 253)}`);
    return summaryOf(entry);
  }

  async alerts(signal?: AbortSignal): Promise<AlertsResponse> {
    const entries = await this.entries();
    return { alerts: alertsOf(entries, await this.lastChanges(signal)) };
  }

  /** Without the store an alert still stands; only its beginning is the start of the node's epoch. */
  private async lastChanges(signal?: AbortSignal): Promise<Map<string, LastChanges>> {
    try {
      const { rows } = await this.db.ask(
        `SELECT node, maxIf(toUnixTimestamp64Milli(time), kind = 'mode-changed'), maxIf(toUnixTimestamp64Milli(time), kind = 'rung-changed')
FROM node_event_log WHERE time > now() - INTERVAL 90 DAY GROUP BY node`,
        {},
        { signal, seconds: 5 },
      );
      return new Map(
        rows.map(([node, mode, rung]) => [
          String(node),
          { mode: Number(mode) || undefined, rung: Number(rung) || undefined },
        ]),
      );
    } catch (error) {
      if (error instanceof ApiError) return new Map();
      throw error;
    }
  }

  private async reach<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (cause) {
      if (!(cause instanceof NodeStateUnavailableError)) throw cause;
      throw new ApiError(
        503,
        'node-state-unavailable',
        `the node state store does not answer: ${cause.message}`,
        undefined,
        { cause },
      );
    }
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
