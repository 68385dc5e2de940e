import { encodeProfileHeaders, TOPICS, type ProfileHeaders } from '@perfleet/messages';
import { OTLP_SCHEMA, ProfilesEncoder } from '@perfleet/otlp';
import type { OutgoingMessage, PartitionAssignment, Stream, StreamMessage } from '@perfleet/stream';

export const PERIOD = 10_000_000;
export const BUILD_ID = 'ab12';
export const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
/** Of two samples and of one. */
export const SPANS = ['00f067aa0ba902b7', '00f067aa0ba902b8'] as const;

/**
 * Two stacks, root first:
 *   main (native libapp 0x1000) > work (native libapp 0x2000) > work (named) : `shop` count 3, in two spans of a trace
 *   main (native libapp 0x1000)                                              : `shop` count 2, in two threads
 */
export function knownBody(timeSeconds: number): Uint8Array {
  const e = new ProfilesEncoder();
  const mapping = e.mapping({ filename: '/opt/bin/libapp', gnuBuildId: BUILD_ID });
  const main = e.location({ mapping, address: 0x1000n, kind: 'native' });
  const work = e.location({ mapping, address: 0x2000n, kind: 'native' });
  const named = e.location({ kind: 'cpython', lines: [[e.func('handler', 'app.py'), 12]] });
  const anonymous = e.location({ kind: 'native' });
  const resource = e.resource([
    ['container.id', 'c1'],
    ['k8s.namespace.name', 'shop'],
    ['k8s.container.name', 'web'],
  ]);
  const time = BigInt(timeSeconds) * 1_000_000_000n;
  const profile = resource.profile({
    sampleType: { type: 'samples', unit: 'count' },
    periodType: { type: 'cpu', unit: 'nanoseconds' },
    period: PERIOD,
    timeUnixNano: time,
    durationNano: 5_000_000_000n,
  });
  const labels = (pid: number) => [
    e.attribute('process.executable.name', '/usr/bin/python3'),
    e.attribute('process.pid', pid),
    e.attribute('thread.name', `t${pid}`),
  ];
  profile.sample(e.stack([named, work, main]), labels(1), 2, [], e.link({ traceId: TRACE, spanId: SPANS[0] }));
  profile.sample(e.stack([named, work, main]), labels(1), 1, [], e.link({ traceId: TRACE, spanId: SPANS[1] }));
  profile.sample(e.stack([main]), labels(1), 1);
  profile.sample(e.stack([main]), labels(2), 1);
  profile.sample(e.stack([anonymous, main]), labels(2), 1, [time + 1_000_000_000n]);
  return e.finish();
}
export type ResourceAttributes = ReadonlyArray<readonly [string, string]>;

/** One stack with a count for every set of resource attributes. */
export function attributedBody(
  timeSeconds: number,
  counts: ReadonlyArray<readonly [ResourceAttributes, number]>,
): Uint8Array {
  const e = new ProfilesEncoder();
  const stack = e.stack([e.location({ kind: 'kernel', lines: [[e.func('f', ''), 0]] })]);
  for (const [attributes, count] of counts) {
    const profile = e.resource(attributes.map(([key, value]) => [key, value])).profile({
      sampleType: { type: 'samples', unit: 'count' },
      periodType: { type: 'cpu', unit: 'nanoseconds' },
      period: PERIOD,
      timeUnixNano: BigInt(timeSeconds) * 1_000_000_000n,
      durationNano: 5_000_000_000n,
    });
    profile.sample(stack, [], count);
  }
  return e.finish();
}

/** Samples in `knownBody`. */
export const KNOWN_COUNT = 6;
/** Of them in a span. */
export const LINKED_COUNT = 3;

export function profileMessage(headers: Partial<ProfileHeaders>, value: Uint8Array | null): OutgoingMessage {
  const all: ProfileHeaders = {
    schema: OTLP_SCHEMA,
    node: 'n1',
    epoch: '00000000000000aa',
    epochStart: Date.now() - 60_000,
    seq: 1,
    sent: Date.now(),
    taken: 0,
    lost: {},
    ...headers,
  };
  return { key: all.node, value, headers: encodeProfileHeaders(all) };
}

/** Everything on a topic now. */
export async function readAll(stream: Stream, topic: string): Promise<StreamMessage[]> {
  const ends = (await stream.offsets(topic)).filter((o) => o.high > o.low);
  let left = ends.reduce((sum, o) => sum + Number(o.high - o.low), 0);
  const messages: StreamMessage[] = [];
  if (left === 0) return messages;
  let done: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => (done = resolve));
  const consumer = stream.consumer({
    group: `reader-${Math.random()}`,
    topics: [topic],
    open: () => ({
      async onBatch(batch) {
        messages.push(...batch.messages);
        left -= batch.messages.length;
        if (left <= 0) done();
      },
    }),
  });
  await consumer.start();
  await finished;
  await consumer.stop();
  return messages;
}

/** The same stream, whose first commit that `refuse` picks rejects. */
export function withRefusedCommit(
  stream: Stream,
  refuse: (a: PartitionAssignment, metadata: string) => boolean,
): Stream {
  let refused = false;
  const wrap = (assignment: PartitionAssignment): PartitionAssignment =>
    new Proxy(assignment, {
      get(target, property) {
        if (property !== 'commit') return Reflect.get(target, property, target) as unknown;
        return (offset: bigint, metadata = '') => {
          if (!refused && refuse(target, metadata)) {
            refused = true;
            return Promise.reject(new Error('the process was killed here'));
          }
          return target.commit(offset, metadata);
        };
      },
    });
  return {
    ensureTopics: (topics) => stream.ensureTopics(topics),
    producer: () => stream.producer(),
    offsets: (topic) => stream.offsets(topic),
    close: () => stream.close(),
    consumer: (options) => stream.consumer({ ...options, open: (assignment) => options.open(wrap(assignment)) }),
  };
}

export const topics = (prefix: string) => ({
  profiles: prefix + TOPICS.profiles,
  symbols: prefix + TOPICS.symbols,
  events: prefix + TOPICS.events,
  alerts: prefix + TOPICS.alerts,
  dead: prefix + TOPICS.dead,
});
