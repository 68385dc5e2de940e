import { DISCOVERY_MODES } from '@perfleet/messages';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { ApiError } from './http/api-error.ts';
import type { NodeQueries } from './nodes/node-queries.ts';

/** What a scrape answers: this process, its requests, and the nodes of the registry at that moment. */
export class ApiMetrics {
  private readonly mode: Gauge;
  private readonly fallback: Gauge;
  private readonly rung: Gauge;
  private readonly alive: Gauge;
  private readonly reachable: Gauge;
  private readonly requests: Histogram;

  constructor(
    private readonly nodes: NodeQueries,
    private readonly registry = new Registry(),
  ) {
    const registers = [registry];
    collectDefaultMetrics({ register: registry });
    const gauge = (name: string, help: string, labelNames: string[]) =>
      new Gauge({ name, help, labelNames, registers });
    this.mode = gauge(
      'perfleet_node_discovery_mode',
      '1 for the mode of discovery that the node is in, 0 for the others',
      ['node', 'mode'],
    );
    this.fallback = gauge(
      'perfleet_node_fallback',
      '1 when the node cannot see its pods although Kubernetes is evident',
      ['node'],
    );
    this.rung = gauge(
      'perfleet_node_rung',
      'Sampler in use: 1 eBPF, 2 perf events of the system, 3 perf events of the user, 4 none',
      ['node'],
    );
    this.alive = gauge('perfleet_node_alive', '1 while the heartbeat of the node is in force', ['node']);
    this.reachable = gauge('perfleet_api_node_state_up', '1 when the node state store answered this scrape', []);
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
    await this.collectNodes();
    return this.registry.metrics();
  }

  /** While the registry is away its series are absent, which Prometheus can tell from a value of 0. */
  private async collectNodes(): Promise<void> {
    const gauges = [this.mode, this.fallback, this.rung, this.alive];
    for (const gauge of gauges) gauge.reset();
    try {
      const entries = await this.nodes.entries();
      for (const { state, alive } of entries) {
        const { node } = state;
        for (const mode of DISCOVERY_MODES) this.mode.set({ node, mode }, state.mode === mode ? 1 : 0);
        this.fallback.set({ node }, state.fallback ? 1 : 0);
        this.rung.set({ node }, state.rung);
        this.alive.set({ node }, alive ? 1 : 0);
      }
      this.reachable.set(1);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.reachable.set(0);
    }
  }
}
