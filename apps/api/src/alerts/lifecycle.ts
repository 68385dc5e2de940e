import type { Alert, AlertKind } from '@perfleet/api-contract';
import { ALERT_KINDS } from '@perfleet/api-contract';
import type { Acknowledgement, AlertHistoryEntry, AlertRecord, Silence } from '@perfleet/node-state';
import type { Condition } from './conditions.ts';

/** How long a resolved alert is shown, and how long at most it waits for its receivers, milliseconds. */
const SHOW_RESOLVED_MS = 3_600_000;
const GIVE_UP_MS = 24 * 3_600_000;

export interface Step {
  /** Every alert as it stands now. */
  readonly records: readonly AlertRecord[];
  /** Those of them that differ from what was stored. */
  readonly put: readonly AlertRecord[];
  readonly remove: readonly string[];
  readonly history: readonly AlertHistoryEntry[];
}

/**
 * What becomes of the stored alerts when these conditions hold now.
 *
 *   (none) ──condition──▶ pending ──held long enough──▶ firing ──condition gone──▶ resolved ──shown, told──▶ (none)
 *                            └──condition gone──▶ (none)    ▲────────condition back────────┘
 *
 * @param unknown kinds that cannot be judged now: their alerts stay as they are
 */
export function step(
  stored: readonly AlertRecord[],
  conditions: readonly Condition[],
  unknown: readonly AlertKind[],
  now: number,
): Step {
  const before = new Map(stored.map((record) => [record.id, record]));
  const records: AlertRecord[] = [];
  const put: AlertRecord[] = [];
  const history: AlertHistoryEntry[] = [];
  const keep = (record: AlertRecord, old: AlertRecord | undefined) => {
    records.push(record);
    if (old && same(old, record)) return;
    put.push(record);
    if (record.status !== 'pending' && record.status !== old?.status)
      history.push(historyOf(record, record.status, record.reason, now));
  };
  const seen = new Set<string>();
  for (const condition of conditions) {
    if (seen.has(condition.id)) continue;
    seen.add(condition.id);
    const old = before.get(condition.id);
    keep(advance(condition, old, now), old);
  }
  const remove: string[] = [];
  for (const old of stored) {
    if (seen.has(old.id)) continue;
    if (unknown.includes(old.kind as AlertKind)) keep(old, old);
    else if (old.status === 'pending') remove.push(old.id);
    else if (old.status === 'firing') keep({ ...old, status: 'resolved', resolvedAt: now }, old);
    else if (isOver(old, now)) remove.push(old.id);
    else keep(old, old);
  }
  return { records: records.sort(inOrder), put, remove, history };
}

function advance(condition: Condition, old: AlertRecord | undefined, now: number): AlertRecord {
  const { id, kind, node, cluster, severity, reason, holdMs } = condition;
  const going = old !== undefined && old.status !== 'resolved';
  const since = Math.min(now, condition.since ?? (going ? old.since : now));
  // Once it fires it fires until the condition is gone, also when a later look tells of a later beginning.
  const fires = (going && old.status === 'firing') || now - since >= holdMs;
  const firedAt = !fires ? 0 : going && old.firedAt > 0 ? old.firedAt : now;
  const told = old?.told ?? {};
  return {
    ...{ id, kind, node, cluster, severity, reason: reason.slice(0, 4000), since, firedAt, resolvedAt: 0, told },
    status: fires ? 'firing' : 'pending',
  };
}

function isOver({ resolvedAt, told }: AlertRecord, now: number): boolean {
  const waiting = Object.values(told).some(({ status }) => status === 'firing');
  return now - resolvedAt > (waiting ? GIVE_UP_MS : SHOW_RESOLVED_MS);
}

export function historyOf(
  of: Pick<AlertRecord, 'id' | 'kind' | 'node' | 'cluster'>,
  what: AlertHistoryEntry['what'],
  detail: string,
  time: number,
): AlertHistoryEntry {
  return { time, alert: of.id, kind: of.kind, node: of.node, cluster: of.cluster, what, detail: detail.slice(0, 4000) };
}

/** An acknowledgement is of one occurrence: when the alert fires anew it is nobody's again. */
export function occurrenceOf(record: { readonly firedAt: number | null; readonly since: number }): number {
  return record.firedAt || record.since;
}

export function acknowledgementOf(
  record: AlertRecord,
  acknowledgements: ReadonlyMap<string, Acknowledgement>,
): Acknowledgement | null {
  const found = acknowledgements.get(record.id);
  if (!found || record.status === 'resolved') return null;
  // Given while pending, it holds when the alert fires.
  return found.occurrence === record.since || found.occurrence === record.firedAt ? found : null;
}

export function silenceOf(
  record: Pick<AlertRecord, 'kind' | 'node' | 'cluster'>,
  silences: readonly Silence[],
): Silence | null {
  const matching = silences.filter(
    (s) =>
      (s.kind === '' || s.kind === record.kind) &&
      (s.cluster === '' || s.cluster === record.cluster) &&
      (s.node === '' || matches(s.node, record.node)),
  );
  return matching.reduce<Silence | null>((last, s) => (last && last.until >= s.until ? last : s), null);
}

/** `*` stands for any run of characters. Linear in the text, whatever the pattern is. */
export function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return pattern === text;
  const [first = '', last = ''] = [parts[0], parts.at(-1)];
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - at >= last.length && text.endsWith(last);
}

export function toAlert(
  record: AlertRecord,
  acknowledgements: ReadonlyMap<string, Acknowledgement>,
  silences: readonly Silence[],
): Alert {
  const { id, node, cluster, severity, status, since, firedAt, resolvedAt, reason } = record;
  const ack = acknowledgementOf(record, acknowledgements);
  const silence = silenceOf(record, silences);
  return {
    ...{ id, kind: record.kind as AlertKind, node, cluster, severity, state: status, since, reason },
    firedAt: firedAt || null,
    resolvedAt: resolvedAt || null,
    acknowledged: ack && { by: ack.by, at: ack.at, comment: ack.comment },
    silenced: silence && { id: silence.id, until: silence.until, by: silence.by, comment: silence.comment },
  };
}

function same(a: AlertRecord, b: AlertRecord): boolean {
  return (
    a === b || (['status', 'reason', 'since', 'firedAt', 'severity'] as const).every((field) => a[field] === b[field])
  );
}

function inOrder(a: AlertRecord, b: AlertRecord): number {
  const rank = (record: AlertRecord) => ALERT_KINDS.indexOf(record.kind as AlertKind);
  if (a.node !== b.node) return a.node < b.node ? -1 : 1;
  return rank(a) - rank(b);
}
