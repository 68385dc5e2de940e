import { randomUUID } from 'node:crypto';
import { NodeStateUnavailableError, type AlertRecord, type NodeStateStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import type { AlertArchive } from './alert-archive.ts';
import { conditionsOf, unknownKinds } from './conditions.ts';
import type { FactReader } from './facts.ts';
import { historyOf, step } from './lifecycle.ts';
import { dueFor, receiverOf } from './notification.ts';
import type { AlertSettings } from './settings.ts';
import { WebhookReceiver, type DeliveryOptions } from './webhook.ts';

export interface AlertTiming {
  /** Between two looks, milliseconds. */
  readonly tickMs: number;
  /** How long a replica leads without a sign of life, milliseconds; longer than a look with its deliveries. */
  readonly leaseMs: number;
  readonly delivery?: Pick<DeliveryOptions, 'timeoutMs' | 'turnMs' | 'backoffMs'>;
}

const TIMING: AlertTiming = { tickMs: 15_000, leaseMs: 60_000 };

/** Time that a stop may take, milliseconds. */
const STOP_MS = 500;

/** Counts since the start, by receiver. */
export interface DeliveryCounts {
  delivered: number;
  failed: number;
}

/**
 * Decides what fires and tells the receivers, when this replica leads. Nothing that a store or a receiver does ends it:
 * the next turn tries again.
 */
export class AlertEngine {
  readonly counts = new Map<string, DeliveryCounts>();
  private readonly owner = randomUUID();
  private readonly receivers: readonly WebhookReceiver[];
  private readonly stopping = new AbortController();
  private readonly timing: AlertTiming;
  private timer: NodeJS.Timeout | null = null;
  private turn: Promise<void> = Promise.resolve();
  private trouble = '';
  private leading = false;

  constructor(
    private readonly store: NodeStateStore,
    private readonly facts: FactReader,
    private readonly settings: AlertSettings,
    private readonly archive: AlertArchive,
    private readonly logger: Logger,
    timing: Partial<AlertTiming> = {},
  ) {
    this.timing = { ...TIMING, ...timing };
    this.receivers = settings.alertWebhooks.map(
      (url) =>
        new WebhookReceiver({
          url,
          receiver: receiverOf(url),
          externalUrl: settings.alertExternalUrl,
          ...this.timing.delivery,
        }),
    );
    for (const { name } of this.receivers) this.counts.set(name, { delivered: 0, failed: 0 });
  }

  get leads(): boolean {
    return this.leading;
  }

  start(): void {
    if (this.stopping.signal.aborted) return;
    this.turn = this.look().then(() => {
      if (this.stopping.signal.aborted) return;
      this.timer = setTimeout(() => this.start(), this.timing.tickMs);
      this.timer.unref();
    });
  }

  /** Another replica may lead at once. A store that does not answer does not hold up the end. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.facts.stop();
    if (this.timer) clearTimeout(this.timer);
    await soon(this.turn.then(() => this.store.alerts.resign(this.owner)).catch(() => undefined));
  }

  private async look(): Promise<void> {
    try {
      this.leading = await this.store.alerts.lead(this.owner, this.timing.leaseMs);
      if (this.leading) {
        await this.restoreRegistry();
        await this.archive.look();
        await this.evaluate();
      } else this.archive.forget();
      if (this.trouble !== '') this.logger.info('alerts are evaluated again');
      this.trouble = '';
    } catch (error) {
      this.leading = false;
      const message = error instanceof Error ? error.message : String(error);
      // Once per outage: the store says the same every few seconds.
      if (this.trouble === '' || !(error instanceof NodeStateUnavailableError))
        this.logger.error({ error: message }, 'alerts cannot be evaluated; the next look tries again');
      this.trouble = message;
    }
  }

  /** A registry that lost everything would hide silent nodes: what events and deliveries know of comes back. */
  private async restoreRegistry(): Promise<void> {
    if (!(await this.store.isBlank())) return;
    const known = await this.facts.knownNodes();
    if (known === null) return;
    await this.store.restore(known);
    if (known.length > 0)
      this.logger.warn({ nodes: known.length }, 'the registry of nodes was empty; rebuilt from node events');
  }

  private async evaluate(): Promise<void> {
    const { alerts } = this.store;
    const facts = await this.facts.read(this.stopping.signal);
    const { records, put, remove, history } = step(
      await alerts.records(),
      conditionsOf(facts, this.settings),
      unknownKinds(facts),
      Date.now(),
    );
    for (const { what, kind, node, detail } of history) this.logger.warn({ kind, node }, `alert ${what}: ${detail}`);
    if (put.length + remove.length > 0) {
      if (!(await alerts.commit(this.owner, { put, remove, history }))) return void (this.leading = false);
    }
    if (this.receivers.length > 0) await this.deliver(records);
  }

  private async deliver(records: readonly AlertRecord[]): Promise<void> {
    const { alerts } = this.store;
    const [acks, silences] = await Promise.all([alerts.acknowledgements(), alerts.silences()]);
    const acknowledgements = new Map(acks.map((a) => [a.alert, a]));
    const repeatMs = this.settings.alertRepeatMinutes * 60_000;
    const now = Date.now();
    const told = new Map<string, AlertRecord>();
    const history: ReturnType<typeof historyOf>[] = [];
    await Promise.all(
      this.receivers.map(async (receiver) => {
        const due = dueFor(receiver.name, records, acknowledgements, silences, now, repeatMs);
        const result = await receiver.deliver(due, this.stopping.signal);
        if (result === null) return;
        const count = this.counts.get(receiver.name)!;
        count.delivered += result.delivered.length;
        for (const record of result.delivered) {
          const status = record.status === 'resolved' ? 'resolved' : 'firing';
          const so = told.get(record.id) ?? record;
          told.set(record.id, { ...so, told: { ...so.told, [receiver.name]: { status, at: now } } });
          history.push(historyOf(record, 'delivered', `${status} to ${receiver.name}`, now));
        }
        if (result.error !== '' && !this.stopping.signal.aborted) {
          count.failed++;
          this.logger.error(
            { receiver: receiver.name, error: result.error, due: due.length },
            'alerts could not be delivered; tried again',
          );
        }
      }),
    );
    if (told.size > 0) await alerts.commit(this.owner, { put: [...told.values()], remove: [], history });
  }
}

/** Waits for what ends soon, and not for what does not. */
async function soon(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, STOP_MS)));
  await Promise.race([work, late]);
  clearTimeout(timer);
}
