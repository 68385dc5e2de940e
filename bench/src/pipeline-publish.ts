import { zstdCompressSync } from 'node:zlib';
import { encodeProfileHeaders, TOPICS } from '@perfleet/messages';
import { OTLP_SCHEMA } from '@perfleet/otlp';
import { nodeMessage, Totals, type Fleet } from '@perfleet/simulate';
import type { OutgoingMessage, Stream, StreamMessage } from '@perfleet/stream';
import { cpuSeconds } from './measure.ts';

export const WINDOW = 5;
export const TOPIC = TOPICS.profiles;

export interface Published {
  readonly messages: readonly StreamMessage[];
  readonly rows: number;
  readonly bytes: number;
  readonly zstdBytes: number;
  /** CPU seconds of the generator. */
  readonly encodeCpu: number;
}

/** Publishes a fleet's windows, one after another, as its collectors would. */
export class Publisher {
  readonly totals = new Totals();
  /** Times end about now, so that retention keeps them. */
  private readonly start = Math.floor(Date.now() / 1000) - 6 * 3600;
  private readonly taken: number[];
  private window = 0;
  private sent = 0;

  constructor(
    private readonly fleet: Fleet,
    private readonly stream: Stream,
  ) {
    this.taken = Array.from({ length: fleet.options.nodes }, () => 0);
  }

  /** Messages so far. */
  get count(): number {
    return this.sent;
  }

  /** Whole windows of all nodes until there are `wanted` rows. @param keep whether to give the messages back */
  async publish(wanted: number, keep: boolean): Promise<Published> {
    const { fleet } = this;
    const producer = await this.stream.producer();
    const byNode = this.taken.map((_, node) => fleet.pods.filter((pod) => pod.node === node));
    const messages: StreamMessage[] = [];
    let [rows, bytes, zstdBytes, encodeCpu] = [0, 0, 0, 0];
    for (; rows < wanted; this.window++) {
      const batch: OutgoingMessage[] = [];
      byNode.forEach((pods, node) => {
        const before = cpuSeconds();
        const message = nodeMessage(fleet, pods, this.window, this.start + this.window * WINDOW, WINDOW, this.totals);
        encodeCpu += cpuSeconds() - before;
        this.taken[node]! += message.samples;
        rows += message.rows;
        bytes += message.body.length;
        batch.push(outgoing(fleet.nodeName(node), this.window + 1, this.taken[node]!, message.body));
      });
      await producer.send(TOPIC, batch);
      this.sent += batch.length;
      for (let i = 0; i < batch.length; i += 16)
        zstdBytes += zstdCompressSync(Buffer.concat(batch.slice(i, i + 16).map(({ value }) => value!))).length;
      if (keep) messages.push(...batch.map((each, i) => received(each, messages.length + i)));
    }
    await producer.close();
    return { messages, rows, bytes, zstdBytes, encodeCpu };
  }

  /** The same bodies again and again as later windows of their nodes: load for whoever does not look at what is in them. */
  async again(messages: readonly StreamMessage[], times: number): Promise<void> {
    const producer = await this.stream.producer();
    const { nodes } = this.fleet.options;
    for (let time = 0; time < times; time++)
      for (let from = 0; from < messages.length; from += nodes, this.window++) {
        const batch = messages
          .slice(from, from + nodes)
          .map(({ value }, node) => outgoing(this.fleet.nodeName(node), this.window + 1, this.taken[node]!, value!));
        await producer.send(TOPIC, batch);
        this.sent += batch.length;
      }
    await producer.close();
  }
}

export function outgoing(node: string, seq: number, taken: number, body: Uint8Array): OutgoingMessage {
  const headers = encodeProfileHeaders({
    schema: OTLP_SCHEMA,
    node,
    epoch: '00000000000000be',
    epochStart: Date.now() - 60_000,
    seq,
    sent: Date.now(),
    taken,
    lost: {},
  });
  return { key: node, value: body, headers };
}

const received = ({ key, value, headers }: OutgoingMessage, offset: number): StreamMessage => ({
  topic: TOPIC,
  partition: 0,
  offset: BigInt(offset),
  key: Buffer.from(String(key)),
  value,
  headers: headers ?? {},
  timestamp: Date.now(),
});
