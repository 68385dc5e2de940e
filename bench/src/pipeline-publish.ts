import { zstdCompressSync } from 'node:zlib';
import { encodeProfileHeaders, TOPICS } from '@perfleet/messages';
import { OTLP_SCHEMA } from '@perfleet/otlp';
import { nodeMessage, Totals, type Fleet, type Pod, type PodWindow } from '@perfleet/simulate';
import type { OutgoingMessage, StreamMessage } from '@perfleet/stream';
import { cpuSeconds } from './measure.ts';

export const WINDOW = 5;
export const TOPIC = TOPICS.profiles;
/** Of a pod in one message: some hundred kB. */
const STACKS_AT_ONCE = 1000;

export interface Published {
  readonly messages: readonly StreamMessage[];
  readonly rows: number;
  readonly bytes: number;
  readonly zstdBytes: number;
  /** CPU seconds of the generator. */
  readonly encodeCpu: number;
  /** Publishes them; once. */
  send(): Promise<void>;
}

/** Publishes a fleet's windows, one after another, as its collectors would. */
export class Publisher {
  readonly totals = new Totals();
  /** Times end about now, so that retention keeps them. */
  private readonly start = Math.floor(Date.now() / 1000) - 6 * 3600;
  private readonly taken: number[];
  /** Of the nodes' messages. */
  private readonly sequences: number[];
  private window = 0;
  private sent = 0;

  constructor(
    private readonly fleet: Fleet,
    private readonly sendAll: (messages: readonly OutgoingMessage[]) => Promise<void>,
  ) {
    this.taken = Array.from({ length: fleet.options.nodes }, () => 0);
    this.sequences = [...this.taken];
  }

  /** Messages so far. */
  get count(): number {
    return this.sent;
  }

  /** Each stack of each service once, from one of its pods: what a fleet brings within hours, and never again. */
  async introduce(): Promise<void> {
    const { services, stacksPerService } = this.fleet.options;
    // The first pods are one of each service.
    const pods = this.fleet.pods.slice(0, services);
    for (let from = 0; from < stacksPerService; from += STACKS_AT_ONCE)
      await this.send(
        this.makeWindow(everyStack(this.fleet, from), (node) => pods.filter((pod) => pod.node === node)).batch,
      );
  }

  /** Whole windows of all nodes until there are `wanted` rows. */
  async publish(wanted: number): Promise<void> {
    const windows = this.windows();
    let rows = 0;
    while (rows < wanted) {
      const made = windows();
      rows += made.rows;
      await this.send(made.batch);
    }
  }

  /** As many to be sent at once: making them takes longer than a broker waits for a consumer that stands still. */
  prepare(wanted: number): Published {
    const windows = this.windows();
    const messages: StreamMessage[] = [];
    const batches: Made[][] = [];
    let [rows, bytes, zstdBytes, encodeCpu] = [0, 0, 0, 0];
    while (rows < wanted) {
      const made = windows();
      rows += made.rows;
      encodeCpu += made.encodeCpu;
      bytes += made.batch.reduce((sum, { body }) => sum + body.byteLength, 0);
      for (let i = 0; i < made.batch.length; i += 16)
        zstdBytes += zstdCompressSync(Buffer.concat(made.batch.slice(i, i + 16).map(({ body }) => body))).length;
      messages.push(...made.batch.map((each, i) => received(outgoing(each), messages.length + i)));
      batches.push(made.batch);
    }
    const send = async () => {
      for (const batch of batches) await this.send(batch);
    };
    return { messages, rows, bytes, zstdBytes, encodeCpu, send };
  }

  /** Makes the next window of all nodes with each call. */
  private windows() {
    const byNode = this.taken.map((_, node) => this.fleet.pods.filter((pod) => pod.node === node));
    return () => this.makeWindow(this.fleet, (node) => byNode[node]!);
  }

  /** The next window of each node that has pods. */
  private makeWindow(fleet: Fleet, podsOf: (node: number) => readonly Pod[]) {
    const batch: Made[] = [];
    let [rows, encodeCpu] = [0, 0];
    for (const node of this.taken.keys()) {
      const pods = podsOf(node);
      if (pods.length === 0) continue;
      const before = cpuSeconds();
      const message = nodeMessage(fleet, pods, this.window, this.start + this.window * WINDOW, WINDOW, this.totals);
      encodeCpu += cpuSeconds() - before;
      this.taken[node]! += message.samples;
      rows += message.rows;
      const [seq, taken] = [++this.sequences[node]!, this.taken[node]!];
      batch.push({ node: fleet.nodeName(node), seq, taken, body: message.body });
    }
    this.window++;
    return { batch, rows, encodeCpu };
  }

  private async send(batch: readonly Made[]): Promise<void> {
    // Now: a message that says that it was sent long before it came has a clock that goes wrong.
    await this.sendAll(batch.map(outgoing));
    this.sent += batch.length;
  }

  /** The same bodies again and again as later windows of their nodes: load for whoever does not look at what is in them. */
  async again(messages: readonly StreamMessage[], times: number): Promise<void> {
    const { nodes } = this.fleet.options;
    for (let time = 0; time < times; time++)
      for (let from = 0; from < messages.length; from += nodes) {
        const batch = messages.slice(from, from + nodes).map(({ value }, node) => {
          const [seq, taken] = [++this.sequences[node]!, this.taken[node]!];
          return { node: this.fleet.nodeName(node), seq, taken, body: value! };
        });
        await this.send(batch);
      }
  }
}

/** The fleet in windows in which a pod runs these stacks of its service, each once. */
function everyStack(fleet: Fleet, from: number): Fleet {
  const until = Math.min(from + STACKS_AT_ONCE, fleet.options.stacksPerService);
  const stacks = Uint32Array.from({ length: until - from }, (_, i) => from + i);
  const window = (): PodWindow => ({ length: stacks.length, stacks, counts: new Uint32Array(stacks.length).fill(1) });
  return Object.create(fleet, { window: { value: window } }) as Fleet;
}

/** A message that is still to be sent. */
interface Made {
  readonly node: string;
  readonly seq: number;
  /** Samples of the node until its end. */
  readonly taken: number;
  readonly body: Uint8Array;
}

export function outgoing({ node, seq, taken, body }: Made): OutgoingMessage {
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
