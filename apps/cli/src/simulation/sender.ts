import { randomBytes } from 'node:crypto';
import { encodeProfileHeaders } from '@perfleet/messages';
import { OTLP_SCHEMA } from '@perfleet/otlp';
import { nodeMessage, type Fleet, type Pod, type Totals } from '@perfleet/simulate';
import type { StreamProducer } from '@perfleet/stream';

/** The nodes' collectors: each has an epoch of its own and counts its samples and messages. */
export class Sender {
  rows = 0;
  bytes = 0;
  messages = 0;
  private readonly byNode: readonly (readonly Pod[])[];
  private readonly taken: number[];
  private readonly epoch = randomBytes(8).toString('hex');
  private readonly epochStart = Date.now();

  constructor(
    private readonly fleet: Fleet,
    private readonly producer: StreamProducer,
    private readonly topic: string,
    private readonly totals: Totals,
  ) {
    const byNode: Pod[][] = Array.from({ length: fleet.options.nodes }, () => []);
    for (const pod of fleet.pods) byNode[pod.node]!.push(pod);
    this.byNode = byNode;
    this.taken = byNode.map(() => 0);
  }

  async window(window: number, start: number, seconds: number): Promise<void> {
    for (const [node, pods] of this.byNode.entries()) {
      const message = nodeMessage(this.fleet, pods, window, start, seconds, this.totals);
      this.taken[node]! += message.samples;
      const headers = encodeProfileHeaders({
        schema: OTLP_SCHEMA,
        node: this.fleet.nodeName(node),
        epoch: this.epoch,
        epochStart: this.epochStart,
        seq: window + 1,
        sent: Date.now(),
        taken: this.taken[node]!,
        lost: {},
      });
      await this.producer.send(this.topic, [{ key: this.fleet.nodeName(node), value: message.body, headers }]);
      this.rows += message.rows;
      this.bytes += message.body.length;
      this.messages++;
    }
  }
}
