import { ProfilesEncoder } from '@perfleet/otlp';
import { PERIOD, type Fleet, type Pod } from './fleet.ts';
import type { Totals } from './totals.ts';

export interface NodeMessage {
  readonly body: Uint8Array;
  /** Samples in it. */
  readonly samples: number;
  /** Distinct (pod, stack) pairs, which become rows. */
  readonly rows: number;
}

/**
 * One window of one node as its collector would send it: a resource a pod, native locations with mapping and address,
 * kernel frames with names.
 * @param pods those of the node
 * @param start Unix seconds
 */
export function nodeMessage(
  fleet: Fleet,
  pods: readonly Pod[],
  window: number,
  start: number,
  seconds: number,
  totals?: Totals,
): NodeMessage {
  const encoder = new ProfilesEncoder();
  const stacks = new Map<bigint, number>();
  const locations = new Map<bigint, number>();
  let [samples, rows] = [0, 0];
  for (const pod of pods) {
    const { graph } = pod.service;
    const profile = encoder.resource(resourceOf(fleet, pod)).profile({
      sampleType: { type: 'samples', unit: 'count' },
      periodType: { type: 'cpu', unit: 'nanoseconds' },
      period: PERIOD,
      timeUnixNano: BigInt(start) * 1_000_000_000n,
      durationNano: BigInt(seconds) * 1_000_000_000n,
    });
    const attributes = [encoder.attribute('process.pid', pod.pid), encoder.attribute('thread.name', 'worker')];
    const { length, stacks: drawn, counts } = fleet.window(pod, window);
    for (let i = 0; i < length; i++) {
      const stack = drawn[i]!;
      const id = graph.stackIds[stack]!;
      let index = stacks.get(id);
      if (index === undefined) {
        const path: number[] = [];
        // Leaf first on the wire.
        for (let at = graph.offsets[stack + 1]! - 1; at >= graph.offsets[stack]!; at--) {
          const site = graph.frames[at]!;
          const frame = graph.frameIds[site]!;
          let location = locations.get(frame);
          if (location === undefined) locations.set(frame, (location = encodeSite(encoder, graph.sites[site]!)));
          path.push(location);
        }
        stacks.set(id, (index = encoder.stack(path)));
      }
      profile.sample(index, attributes, counts[i]!);
      samples += counts[i]!;
      totals?.add(pod.service.name, id, counts[i]!);
    }
    rows += length;
  }
  return { body: encoder.finish(), samples, rows };
}

function encodeSite(encoder: ProfilesEncoder, site: Pod['service']['graph']['sites'][number]): number {
  if (site.binary === null) return encoder.location({ kind: 'kernel', lines: [[encoder.func(site.function, ''), 0]] });
  const mapping = encoder.mapping({ filename: site.binary.path, gnuBuildId: site.binary.gnuBuildId });
  return encoder.location({ mapping, address: site.address, kind: 'native' });
}

function resourceOf(fleet: Fleet, pod: Pod): ReadonlyArray<readonly [string, string]> {
  const { name, namespace } = pod.service;
  return [
    ['service.name', name],
    ['k8s.cluster.name', 'simulated'],
    ['k8s.node.name', fleet.nodeName(pod.node)],
    ['host.name', fleet.nodeName(pod.node)],
    ['k8s.namespace.name', namespace],
    ['k8s.pod.name', pod.name],
    ['k8s.pod.uid', pod.uid],
    ['k8s.container.name', name],
    ['container.id', pod.containerId],
    ['process.executable.name', name],
    ['process.executable.path', `/opt/${name}/bin/${name}`],
  ];
}
