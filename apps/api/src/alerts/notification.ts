import { createHash } from 'node:crypto';
import type { AlertKind } from '@perfleet/api-contract';
import type { Acknowledgement, AlertRecord, Silence } from '@perfleet/node-state';
import { acknowledgementOf, silenceOf } from './lifecycle.ts';

/** Names of the same alerts in `deploy/prometheus/rules.yml`. */
export const ALERT_NAMES: Readonly<Record<AlertKind, string>> = {
  silent: 'PerfleetNodeSilent',
  'two-epochs': 'PerfleetTwoCollectorsOfOneNode',
  'crash-loop': 'PerfleetNodeCrashLoop',
  fallback: 'PerfleetNodeInFallback',
  rung: 'PerfleetSamplerDegraded',
  'kubelet-mismatch': 'PerfleetKubeletMismatch',
  loss: 'PerfleetSamplesLost',
  unattributed: 'PerfleetSamplesUnattributed',
};

const SUMMARIES: Readonly<Record<AlertKind, string>> = {
  silent: 'has sent no heartbeat',
  'two-epochs': 'is claimed by more than one collector',
  'crash-loop': 'crashes again and again',
  fallback: 'cannot see its pods',
  rung: 'samples below its rung',
  'kubelet-mismatch': 'has cgroups that its kubelet does not declare',
  loss: 'loses samples',
  unattributed: 'has samples that belong to nobody',
};

/** https://prometheus.io/docs/alerting/latest/configuration/#webhook_config, version 4. */
export interface WebhookMessage {
  readonly version: '4';
  readonly groupKey: string;
  readonly truncatedAlerts: 0;
  readonly status: 'firing' | 'resolved';
  readonly receiver: string;
  readonly groupLabels: Readonly<Record<string, string>>;
  readonly commonLabels: Readonly<Record<string, string>>;
  readonly commonAnnotations: Readonly<Record<string, string>>;
  readonly externalURL: string;
  readonly alerts: readonly WebhookAlert[];
}

interface WebhookAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
  readonly fingerprint: string;
}

/** Alerts of one message; what is more comes in the next one, nothing is cut off. */
export const MAX_ALERTS = 100;
const NEVER = '0001-01-01T00:00:00Z';

/** A receiver's name in the store and in metrics: its address may hold a secret. */
export function receiverOf(url: string): string {
  return `webhook-${createHash('sha256').update(url).digest('hex').slice(0, 8)}`;
}

/** What a receiver must be told: what differs from what it was told last, and what still fires after `repeatMs`. */
export function dueFor(
  receiver: string,
  records: readonly AlertRecord[],
  acknowledgements: ReadonlyMap<string, Acknowledgement>,
  silences: readonly Silence[],
  now: number,
  repeatMs: number,
): AlertRecord[] {
  return records.filter((record) => {
    const told = record.told[receiver];
    // Good news is told also through a silence: the receiver holds an alert open.
    if (record.status === 'resolved') return told?.status === 'firing';
    if (record.status !== 'firing' || silenceOf(record, silences) !== null) return false;
    if (told?.status !== 'firing') return true;
    return now - told.at >= repeatMs && acknowledgementOf(record, acknowledgements) === null;
  });
}

/** One message per kind and cluster, of at most `MAX_ALERTS` alerts, with the records that it tells of. */
export function messagesOf(
  receiver: string,
  due: readonly AlertRecord[],
  externalUrl: string,
): Array<{ message: WebhookMessage; records: AlertRecord[] }> {
  const groups = new Map<string, AlertRecord[]>();
  for (const record of due) {
    const key = `${record.kind}\0${record.cluster}`;
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  return [...groups.values()].flatMap((records) =>
    Array.from({ length: Math.ceil(records.length / MAX_ALERTS) }, (_, i) => {
      const part = records.slice(i * MAX_ALERTS, (i + 1) * MAX_ALERTS);
      return { message: messageOf(receiver, part, externalUrl), records: part };
    }),
  );
}

function messageOf(receiver: string, records: readonly AlertRecord[], externalUrl: string): WebhookMessage {
  const alerts = records.map((record) => webhookAlert(record, externalUrl));
  const { alertname = '', cluster } = alerts[0]!.labels;
  const groupLabels = { alertname, ...(cluster !== undefined && { cluster }) };
  return {
    version: '4',
    groupKey: `perfleet:{${Object.entries(groupLabels)
      .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      .join(', ')}}`,
    truncatedAlerts: 0,
    status: alerts.some((alert) => alert.status === 'firing') ? 'firing' : 'resolved',
    receiver,
    groupLabels,
    commonLabels: common(alerts.map((alert) => alert.labels)),
    commonAnnotations: common(alerts.map((alert) => alert.annotations)),
    externalURL: externalUrl,
    alerts,
  };
}

function webhookAlert(record: AlertRecord, externalUrl: string): WebhookAlert {
  const { kind, node, cluster, severity, status, reason } = record;
  const name = kind as AlertKind;
  const page =
    externalUrl === '' ? '' : `${externalUrl.replace(/\/$/, '')}/#page=nodes&picked=${encodeURIComponent(node)}`;
  return {
    status: status === 'resolved' ? 'resolved' : 'firing',
    labels: { alertname: ALERT_NAMES[name] ?? kind, kind, node, severity, ...(cluster !== '' && { cluster }) },
    annotations: { summary: `${node} ${SUMMARIES[name] ?? kind}`, description: reason },
    startsAt: new Date(record.firedAt).toISOString(),
    endsAt: status === 'resolved' ? new Date(record.resolvedAt).toISOString() : NEVER,
    generatorURL: page,
    fingerprint: record.id,
  };
}

/** Entries that all have alike. */
function common(sets: ReadonlyArray<Readonly<Record<string, string>>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(sets[0] ?? {}).filter(([key, value]) => sets.every((set) => set[key] === value)),
  );
}
