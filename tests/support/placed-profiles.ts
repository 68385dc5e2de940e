import { nodeEventSchema, TOPICS } from '@perfleet/messages';
import { decodeProfiles } from '@perfleet/otlp';
import type { Stream } from '@perfleet/stream';
import { waitFor } from '@perfleet/testing';

export interface Placed {
  /** `uid/container id/namespace/pod/container`, without what was not said, by executable. */
  readonly places: Map<string, Set<string>>;
  readonly modeEvents: string[];
}

/** Everything that the collector published so far. */
export async function readPlaced(stream: Stream): Promise<Placed> {
  const seen: Placed = { places: new Map(), modeEvents: [] };
  let left = 0;
  for (const topic of [TOPICS.profiles, TOPICS.events])
    for (const { low, high } of await stream.offsets(topic)) left += Number(high - low);
  const consumer = stream.consumer({
    group: `test-${Math.random()}`,
    topics: [TOPICS.profiles, TOPICS.events],
    open: ({ topic }) => ({
      onBatch: async ({ messages }) => {
        for (const { value } of messages) {
          if (topic === TOPICS.profiles) addProfile(seen, value!);
          else addEvent(seen, value!);
        }
        left -= messages.length;
      },
    }),
  });
  await consumer.start();
  await waitFor(() => left <= 0, { timeoutMs: 20_000, what: 'the whole log to be read' });
  await consumer.stop();
  return seen;
}

function addProfile({ places }: Placed, value: Uint8Array): void {
  for (const { attributes } of decodeProfiles(value).resources) {
    const of = (key: string) => String(attributes.find(([name]) => name === key)?.[1] ?? '');
    const name = of('process.executable.name');
    const place = ['k8s.pod.uid', 'container.id', 'k8s.namespace.name', 'k8s.pod.name', 'k8s.container.name']
      .map(of)
      .filter(Boolean)
      .join('/');
    places.set(name, (places.get(name) ?? new Set()).add(place));
  }
}

function addEvent({ modeEvents }: Placed, value: Uint8Array): void {
  const event = nodeEventSchema.parse(JSON.parse(Buffer.from(value).toString()));
  if (event.kind === 'mode-changed') modeEvents.push(`${event.state?.mode}`);
}
