import { randomUUID } from 'node:crypto';
import type {
  AcknowledgeRequest,
  Alert,
  AlertHistoryResponse,
  AlertsResponse,
  SilenceRequest,
  SilencesResponse,
  SilenceSummary,
} from '@perfleet/api-contract';
import { ALERT_KINDS } from '@perfleet/api-contract';
import type { AlertChange } from '@perfleet/messages';
import type { NodeStateStore } from '@perfleet/node-state';
import { z } from 'zod';
import { badRequest, notFound } from '../http/api-error.ts';
import { reachNodeState } from '../nodes/reach.ts';
import { ofAcknowledgement, ofSilence } from './alert-items.ts';
import { conditionsOf, unknownKinds } from './conditions.ts';
import type { FactReader } from './facts.ts';
import { historyOf, occurrenceOf, step, toAlert } from './lifecycle.ts';
import type { AlertSettings } from './settings.ts';

const MAX_SILENCE_MINUTES = 30 * 24 * 60;
const MAX_SILENCES = 1000;
/** A shorter one would be over before it is told. */
const MIN_SILENCE_MINUTES = 0.1;

const who = { by: z.string().max(200).default(''), comment: z.string().max(2000).default('') };
const acknowledgeSchema = z.strictObject(who);
const silenceSchema = z.strictObject({
  kind: z.enum(['', ...ALERT_KINDS]).default(''),
  node: z.string().max(253).default(''),
  cluster: z.string().max(253).default(''),
  minutes: z.number().min(MIN_SILENCE_MINUTES).max(MAX_SILENCE_MINUTES),
  ...who,
});

/** What the page and operators do with alerts. Every replica answers alike. */
export class AlertService {
  constructor(
    private readonly store: NodeStateStore,
    private readonly facts: FactReader,
    private readonly settings: AlertSettings,
    /** Hears at once of what an operator did; the leader's next look makes it sure. */
    private readonly onAction: (change: AlertChange) => void = () => undefined,
  ) {}

  /** As of now: what is stored, and what the facts of this moment make of it. */
  async list(signal?: AbortSignal): Promise<AlertsResponse> {
    return reachNodeState(async () => {
      const { alerts } = this.store;
      const [facts, stored, acks, silences] = await Promise.all([
        this.facts.read(signal),
        alerts.records(),
        alerts.acknowledgements(),
        alerts.silences(),
      ]);
      const unknown = unknownKinds(facts);
      const { records } = step(stored, conditionsOf(facts, this.settings), unknown, Date.now());
      const acknowledgements = new Map(acks.map((a) => [a.alert, a]));
      return { alerts: records.map((record) => toAlert(record, acknowledgements, silences)), unknown };
    });
  }

  async acknowledge(id: string, body: unknown): Promise<Alert> {
    const { by, comment } = read(acknowledgeSchema, body satisfies AcknowledgeRequest | unknown);
    const alert = await this.find(id);
    if (alert.state === 'resolved') throw badRequest('the alert is resolved: there is nothing to acknowledge');
    const at = Date.now();
    const occurrence = occurrenceOf(alert);
    await reachNodeState(async () => {
      const acknowledgement = { alert: id, occurrence, at, by, comment };
      await this.store.alerts.acknowledge(acknowledgement);
      this.onAction({ ...ofAcknowledgement(acknowledgement), removed: false });
      await this.store.alerts.remember(historyOf(alert, 'acknowledged', said(by, comment), at));
    });
    return { ...alert, acknowledged: { by, at, comment } };
  }

  async unacknowledge(id: string): Promise<Alert> {
    const alert = await this.find(id);
    await reachNodeState(async () => {
      await this.store.alerts.unacknowledge(id);
      this.onAction({ item: 'acknowledgement', id, removed: true, body: '' });
      await this.store.alerts.remember(historyOf(alert, 'unacknowledged', '', Date.now()));
    });
    return { ...alert, acknowledged: null };
  }

  async silences(): Promise<SilencesResponse> {
    return { silences: await reachNodeState(() => this.store.alerts.silences()) };
  }

  async silence(body: unknown): Promise<SilenceSummary> {
    const { minutes, ...fields } = read(silenceSchema, body satisfies SilenceRequest | unknown);
    const now = Date.now();
    const silence = { id: randomUUID(), ...fields, createdAt: now, until: now + Math.round(minutes * 60_000) };
    return reachNodeState(async () => {
      if ((await this.store.alerts.silences()).length >= MAX_SILENCES)
        throw badRequest(`there are ${MAX_SILENCES} silences already; remove some`);
      await this.store.alerts.putSilence(silence);
      this.onAction({ ...ofSilence(silence), removed: false });
      const detail = `for ${minutes} min${said(fields.by, fields.comment)}`;
      await this.store.alerts.remember(historyOf(silence, 'silenced', detail, now));
      return silence;
    });
  }

  async unsilence(id: string): Promise<SilencesResponse> {
    await reachNodeState(async () => {
      const silence = (await this.store.alerts.silences()).find((s) => s.id === id);
      if (!silence) throw notFound('there is no such silence; it may have ended');
      await this.store.alerts.removeSilence(id);
      this.onAction({ item: 'silence', id, removed: true, body: '' });
      await this.store.alerts.remember(historyOf(silence, 'unsilenced', '', Date.now()));
    });
    return this.silences();
  }

  async history(limit: number): Promise<AlertHistoryResponse> {
    return { history: await reachNodeState(() => this.store.alerts.history(limit)) };
  }

  private async find(id: string): Promise<Alert> {
    const found = (await this.list()).alerts.find((alert) => alert.id === id);
    if (!found) throw notFound('there is no such alert');
    return found;
  }
}

/** A body must be a JSON object: a page of another origin cannot send one without asking. */
function read<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw badRequest(result.error.issues.map((i) => `${i.path.join('.') || 'body'}: ${i.message}`).join('; '));
}

function said(by: string, comment: string): string {
  return `${by && ` by ${by}`}${comment && `: ${comment}`}`;
}
