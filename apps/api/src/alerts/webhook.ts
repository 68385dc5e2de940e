import type { AlertRecord } from '@perfleet/node-state';
import { messagesOf } from './notification.ts';

export interface DeliveryOptions {
  readonly url: string;
  readonly receiver: string;
  readonly externalUrl: string;
  /** How long one request may take, milliseconds. */
  readonly timeoutMs?: number;
  /** How long one turn may take, milliseconds: what is left comes in the next. */
  readonly turnMs?: number;
  /** First and longest pause after failures, milliseconds; it doubles in between. */
  readonly backoffMs?: { readonly min: number; readonly max: number };
}

export interface DeliveryResult {
  /** Records that the receiver accepted. */
  readonly delivered: readonly AlertRecord[];
  /** Why the turn ended early; "" when it did not. */
  readonly error: string;
}

/** One receiver. It holds no queue: it is handed what is due, and what it could not deliver is due again. */
export class WebhookReceiver {
  private failures = 0;
  private notBefore = 0;

  constructor(private readonly options: DeliveryOptions) {}

  get name(): string {
    return this.options.receiver;
  }

  /** @returns null while it pauses after a failure */
  async deliver(due: readonly AlertRecord[], signal: AbortSignal): Promise<DeliveryResult | null> {
    if (due.length === 0) return { delivered: [], error: '' };
    if (Date.now() < this.notBefore) return null;
    const { externalUrl, receiver, turnMs = 20_000 } = this.options;
    const end = performance.now() + turnMs;
    const delivered: AlertRecord[] = [];
    for (const { message, records } of messagesOf(receiver, due, externalUrl)) {
      if (performance.now() > end) break;
      const error = await this.post(JSON.stringify(message), signal);
      if (error !== '') {
        this.pause();
        return { delivered, error };
      }
      this.failures = 0;
      delivered.push(...records);
    }
    return { delivered, error: '' };
  }

  private pause(): void {
    const { min, max } = this.options.backoffMs ?? { min: 5_000, max: 300_000 };
    const wait = Math.min(max, min * 2 ** Math.min(this.failures++, 16));
    // Spread, so that the receivers of several clusters do not come back in step.
    this.notBefore = Date.now() + wait * (0.75 + Math.random() / 2);
  }

  /** @returns "" or what went wrong, without the address: it may hold a secret */
  private async post(body: string, signal: AbortSignal): Promise<string> {
    try {
      const response = await fetch(this.options.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'perfleet' },
        body,
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(this.options.timeoutMs ?? 10_000)]),
      });
      await response.body?.cancel();
      return response.ok ? '' : `it answered ${response.status}`;
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const code = (cause as { code?: unknown }).code;
      if (error instanceof Error && error.name === 'TimeoutError') return 'it did not answer in time';
      return typeof code === 'string' ? code : 'it cannot be reached';
    }
  }
}
