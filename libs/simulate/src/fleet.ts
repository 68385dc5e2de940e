import { makeCallGraph, sharedLibraries, type CallGraph } from './call-graph.ts';
import { Random, Zipf } from './random.ts';

export interface FleetOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly pods: number;
  readonly services: number;
  readonly stacksPerService: number;
  /** Samples of one pod and window, on average. */
  readonly samplesPerWindow: number;
  /** Stacks of a service have weights 1 / rank^exponent. */
  readonly exponent?: number;
}

export interface Service {
  readonly name: string;
  readonly namespace: string;
  readonly graph: CallGraph;
}

export interface Pod {
  readonly index: number;
  readonly name: string;
  readonly uid: string;
  readonly containerId: string;
  readonly node: number;
  readonly service: Service;
  readonly pid: number;
}

/** What one pod did in one window: row `i` is `counts[i]` samples of stack `stacks[i]` of its service. Valid until the next call. */
export interface PodWindow {
  readonly length: number;
  readonly stacks: Uint32Array;
  readonly counts: Uint32Array;
}

/** 19 Hz: nanoseconds of CPU that one sample stands for. */
export const PERIOD = 52_631_578;

export const DEFAULT_FLEET: FleetOptions = {
  seed: 1,
  nodes: 50,
  pods: 1000,
  services: 40,
  stacksPerService: 2500,
  samplesPerWindow: 19,
};

/**
 * A cluster that is the same for the same options. Services and their stacks have Zipf weights: some are everywhere and
 * most are rare. What a pod does in a window depends on (seed, pod, window) alone, so any part can be made again.
 */
export class Fleet {
  readonly services: readonly Service[];
  readonly pods: readonly Pod[];
  /** Of the stacks of any service. */
  readonly popularity: Zipf;
  private readonly counts: Uint32Array;
  private readonly out: { length: number; stacks: Uint32Array; counts: Uint32Array };

  constructor(readonly options: FleetOptions = DEFAULT_FLEET) {
    const { seed, nodes, pods, services, stacksPerService, samplesPerWindow, exponent = 1.05 } = options;
    const shared = sharedLibraries(seed);
    this.services = Array.from({ length: services }, (_, i) => {
      const name = `service-${String(i).padStart(2, '0')}`;
      const namespace = `team-${i % 8}`;
      return { name, namespace, graph: makeCallGraph(seed * 1009 + i, name, shared, stacksPerService) };
    });
    const size = new Zipf(services, 0.7);
    this.pods = Array.from({ length: pods }, (_, index) => {
      const random = new Random(seed, 7, index);
      const hex = (digits: number) =>
        Array.from({ length: digits / 8 }, () => random.next().toString(16).padStart(8, '0')).join('');
      // Every service has a pod before popularity decides.
      const service = this.services[index < services ? index : size.draw(random)]!;
      return {
        index,
        name: `${service.name}-${hex(8)}`,
        uid: hex(32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
        containerId: hex(64),
        node: index % nodes,
        service,
        pid: 1000 + index,
      };
    });
    this.popularity = new Zipf(stacksPerService, exponent);
    this.counts = new Uint32Array(stacksPerService);
    const most = samplesPerWindow * 2;
    this.out = { length: 0, stacks: new Uint32Array(most), counts: new Uint32Array(most) };
  }

  nodeName(node: number): string {
    return `node-${String(node).padStart(4, '0')}`;
  }

  window(pod: Pod, window: number): PodWindow {
    const { out, counts, popularity } = this;
    const random = new Random(this.options.seed, pod.index, window);
    const samples = 1 + random.below(this.options.samplesPerWindow * 2 - 1);
    out.length = 0;
    for (let i = 0; i < samples; i++) {
      const stack = popularity.draw(random);
      if (counts[stack]! === 0) out.stacks[out.length++] = stack;
      counts[stack]!++;
    }
    for (let i = 0; i < out.length; i++) {
      out.counts[i] = counts[out.stacks[i]!]!;
      counts[out.stacks[i]!] = 0;
    }
    return out;
  }
}
