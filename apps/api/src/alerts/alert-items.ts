import { createHash } from 'node:crypto';
import type { AlertChange, AlertItem } from '@perfleet/messages';
import {
  acknowledgementSchema,
  alertHistorySchema,
  alertRecordSchema,
  silenceSchema,
  type Acknowledgement,
  type AlertHistoryEntry,
  type AlertItems,
  type AlertRecord,
  type Silence,
} from '@perfleet/node-state';
import type { z } from 'zod';

/** One item of the alert store as it is kept elsewhere: body "" = it was removed. */
export interface KeptItem {
  readonly item: AlertItem;
  readonly id: string;
  readonly body: string;
}

export const keyOf = ({ item, id }: Pick<KeptItem, 'item' | 'id'>) => `${item} ${id}`;

export const ofAcknowledgement = (ack: Acknowledgement): KeptItem => kept('acknowledgement', ack.alert, ack);
export const ofSilence = (silence: Silence): KeptItem => kept('silence', silence.id, silence);
export const ofRecord = (record: AlertRecord): KeptItem => kept('record', record.id, record);
export function ofHistory(entry: AlertHistoryEntry): KeptItem {
  const body = JSON.stringify(entry);
  return { item: 'history', id: createHash('sha256').update(body).digest('hex').slice(0, 32), body };
}

/** A pending alert is of no use elsewhere: its condition still holds, or it never was one. */
export function itemsOf({ records, acknowledgements, silences, history }: AlertItems): KeptItem[] {
  return [
    ...records.filter(({ status }) => status !== 'pending').map(ofRecord),
    ...acknowledgements.map(ofAcknowledgement),
    ...silences.map(ofSilence),
    ...history.map(ofHistory),
  ];
}

/** What cannot be read is left out; silences that have ended too. */
export function storeItems(items: Iterable<KeptItem>, now: number): AlertItems {
  const bodies = new Map<AlertItem, string[]>();
  for (const { item, body } of items) if (body !== '') bodies.set(item, [...(bodies.get(item) ?? []), body]);
  return {
    records: parsed(alertRecordSchema, bodies.get('record')),
    acknowledgements: parsed(acknowledgementSchema, bodies.get('acknowledgement')),
    silences: parsed(silenceSchema, bodies.get('silence')).filter(({ until }) => until > now),
    history: parsed(alertHistorySchema, bodies.get('history')).sort((a, b) => b.time - a.time),
  };
}

/** What must be told so that what is known becomes what the store has. An entry of the history that is gone is only old. */
export function changesOf(known: ReadonlyMap<string, KeptItem>, now: readonly KeptItem[]): AlertChange[] {
  const changes: AlertChange[] = [];
  const seen = new Set<string>();
  for (const each of now) {
    const key = keyOf(each);
    seen.add(key);
    const before = known.get(key);
    if (before && meaningOf(before) === meaningOf(each)) continue;
    changes.push({ item: each.item, id: each.id, removed: false, body: each.body });
  }
  for (const [key, { item, id, body }] of known)
    if (body !== '' && item !== 'history' && !seen.has(key)) changes.push({ item, id, removed: true, body: '' });
  return changes;
}

/** The reason of an alert may have other numbers at every look: that alone is no news. */
function meaningOf({ item, body }: KeptItem): string {
  if (item !== 'record' || body === '') return body;
  const [record] = parsed(alertRecordSchema, [body]);
  if (!record) return body;
  const { status, since, firedAt, resolvedAt, told } = record;
  return JSON.stringify([status, since, firedAt, resolvedAt, told]);
}

function kept(item: AlertItem, id: string, of: unknown): KeptItem {
  return { item, id, body: JSON.stringify(of) };
}

function parsed<T>(schema: z.ZodType<T>, bodies: readonly string[] = []): T[] {
  return bodies.flatMap((body) => {
    try {
      const result = schema.safeParse(JSON.parse(body));
      return result.success ? [result.data] : [];
    } catch {
      return [];
    }
  });
}
