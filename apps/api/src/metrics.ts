import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { AlertEngine } from './alerts/alert-engine.ts';
import type { AlertService } from './alerts/alert-service.ts';
import type { FactReader } from './alerts/facts.ts';
import { ApiError } from './http/api-error.ts';
import { NodeMetrics } from './nodes/node-metrics.ts';
import type { NodeQueries } from './nodes/node-queries.ts';

export interface MetricSources {
  readonly nodes: NodeQueries;
  readonly facts: FactReader;
  readonly alerts: AlertService;
  readonly engine: AlertEngine;
}

/** What a scrape answers: this process, its requests, and the nodes and alerts of that moment. */
export class ApiMetrics {
  private readonly nodes: NodeMetrics;
  private readonly alerts: Gauge;
  private readonly leader: Gauge;
  private readonly notifications: Counter;
  private readonly reachable: Gauge;
  private readonly requests: Histogram;

  constructor(
    private readonly sources: MetricSources,
    private readonly registry = new Registry(),
  ) {
    const registers = [registry];
    collectDefaultMetrics({ register: registry });
    this.nodes = new NodeMetrics(registry);
    this.alerts = new Gauge({
      name: 'perfleet_alert',
      help: '1 for every alert of the api: pending, firing or lately resolved',
      labelNames: ['kind', 'cluster', 'node', 'severity', 'state', 'acknowledged', 'silenced'],
      registers,
    });
    this.leader = new Gauge({
      name: 'perfleet_alert_leader',
      help: '1 on the replica of the api that decides what fires and delivers',
      registers,
    });
    this.notifications = new Counter({
      name: 'perfleet_alert_notifications_total',
      help: 'Alerts that a receiver accepted, and attempts that failed',
      labelNames: ['receiver', 'result'],
      registers,
    });
    this.reachable = new Gauge({
      name: 'perfleet_api_node_state_up',
      help: '1 when the node state store answered this scrape',
      registers,
    });
    this.requests = new Histogram({
      name: 'perfleet_api_request_seconds',
      help: 'Duration of HTTP requests',
      labelNames: ['route', 'status'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers,
    });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  observe(route: string, status: number, seconds: number): void {
    this.requests.observe({ route, status: String(status) }, seconds);
  }

  async text(): Promise<string> {
    await this.collect();
    return this.registry.metrics();
  }

  /** While the registry is away its series are absent, which Prometheus can tell from a value of 0. */
  private async collect(): Promise<void> {
    const { nodes, facts, alerts, engine } = this.sources;
    const read = await Promise.all([nodes.entries(), facts.recentShares(), alerts.list()]).catch((error: unknown) => {
      if (error instanceof ApiError) return null;
      throw error;
    });
    // From here on nothing waits: two scrapes at a time cannot mix.
    this.nodes.set(read?.[0] ?? [], read?.[1] ?? null, Date.now());
    this.alerts.reset();
    for (const { kind, cluster, node, severity, state, acknowledged, silenced } of read?.[2].alerts ?? []) {
      const flags = { acknowledged: String(acknowledged !== null), silenced: String(silenced !== null) };
      this.alerts.set({ kind, cluster, node, severity, state, ...flags }, 1);
    }
    this.notifications.reset();
    for (const [receiver, { delivered, failed }] of engine.counts) {
      this.notifications.inc({ receiver, result: 'delivered' }, delivered);
      this.notifications.inc({ receiver, result: 'failed' }, failed);
    }
    this.leader.set(engine.leads ? 1 : 0);
    this.reachable.set(read ? 1 : 0);
  }
}
