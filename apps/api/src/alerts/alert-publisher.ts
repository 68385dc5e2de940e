import { ALERT_CHANGES_KEY, TOPICS, type AlertChange } from '@perfleet/messages';
import type { Stream, StreamProducer } from '@perfleet/stream';

export interface AlertLog {
  readonly stream: Pick<Stream, 'producer'>;
  readonly topicPrefix: string;
}

/** Of one call to the stream. */
const BATCH = 200;

/** Writes changes of the alert store to their topic, in the order in which they are given. */
export class AlertPublisher {
  private producer: Promise<StreamProducer> | null = null;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly log: AlertLog) {}

  /** Resolves when the log has them all. @throws StreamUnavailableError: it may have some of them; saying them again is no harm */
  send(changes: readonly AlertChange[]): Promise<void> {
    const sent = this.last.then(() => this.sendNow(changes));
    this.last = sent.catch(() => undefined);
    return sent;
  }

  async close(): Promise<void> {
    await (await this.producer?.catch(() => null))?.close();
  }

  private async sendNow(changes: readonly AlertChange[]): Promise<void> {
    try {
      const producer = await (this.producer ??= this.log.stream.producer());
      for (let from = 0; from < changes.length; from += BATCH) {
        const values = changes.slice(from, from + BATCH).map((change) => Buffer.from(JSON.stringify(change)));
        const messages = values.map((value) => ({ key: ALERT_CHANGES_KEY, value }));
        await producer.send(this.log.topicPrefix + TOPICS.alerts, messages);
      }
    } catch (error) {
      this.producer = null;
      throw error;
    }
  }
}
