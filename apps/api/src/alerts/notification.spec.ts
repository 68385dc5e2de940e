import type { AlertRecord, Silence } from '@perfleet/node-state';
import { describe, expect, it } from 'vitest';
import { dueFor, MAX_ALERTS, messagesOf, receiverOf } from './notification.ts';

const record = (more: Partial<AlertRecord> = {}): AlertRecord => ({
  ...{ id: 'x', kind: 'fallback', node: 'n1', cluster: 'c', severity: 'warning', status: 'firing', reason: 'why' },
  ...{ since: 0, firedAt: 1000, resolvedAt: 0, told: {}, ...more },
});
const told = (status: 'firing' | 'resolved', at = 0) => ({ w: { status, at } });
const due = (r: AlertRecord, { now = 10, silences = [] as Silence[], acked = false } = {}) =>
  dueFor(
    'w',
    [r],
    new Map(acked ? [['x', { alert: 'x', occurrence: 1000, at: 1, by: '', comment: '' }]] : []),
    silences,
    now,
    100,
  ).length === 1;
const silence: Silence = { id: 's', kind: '', node: 'n*', cluster: '', createdAt: 0, until: 1e15, by: '', comment: '' };

describe('dueFor', () => {
  it('is what differs from what the receiver was told', () => {
    expect(due(record())).toBe(true);
    expect(due(record({ told: told('firing') }))).toBe(false);
    expect(due(record({ told: told('resolved') }))).toBe(true);
    expect(due(record({ status: 'resolved', told: told('firing') }))).toBe(true);
    expect(due(record({ status: 'resolved', told: told('resolved') }))).toBe(false);
    expect(due(record({ status: 'resolved' }))).toBe(false);
    expect(due(record({ status: 'pending' }))).toBe(false);
  });

  it('repeats what still fires, unless somebody looks after it', () => {
    expect(due(record({ told: told('firing') }), { now: 100 })).toBe(true);
    expect(due(record({ told: told('firing') }), { now: 100, acked: true })).toBe(false);
    expect(due(record(), { acked: true })).toBe(true);
  });

  it('keeps quiet during a silence, but tells the end of what was told', () => {
    expect(due(record(), { silences: [silence] })).toBe(false);
    expect(due(record({ status: 'resolved', told: told('firing') }), { silences: [silence] })).toBe(true);
  });
});

describe('messagesOf', () => {
  it('has the form of version 4', () => {
    const records = [
      record({ id: 'a' }),
      record({ id: 'b', node: 'n2', status: 'resolved', resolvedAt: 2000 }),
      record({ id: 'c', kind: 'silent', cluster: '', severity: 'critical' }),
    ];
    const messages = messagesOf('w', records, 'https://perfleet.example/').map((m) => m.message);
    expect(messages).toHaveLength(2);
    const labels = { alertname: 'PerfleetNodeInFallback', kind: 'fallback', severity: 'warning', cluster: 'c' };
    expect(messages[0]).toEqual({
      version: '4',
      groupKey: 'perfleet:{alertname="PerfleetNodeInFallback", cluster="c"}',
      truncatedAlerts: 0,
      status: 'firing',
      receiver: 'w',
      groupLabels: { alertname: 'PerfleetNodeInFallback', cluster: 'c' },
      commonLabels: labels,
      commonAnnotations: { description: 'why' },
      externalURL: 'https://perfleet.example/',
      alerts: [
        {
          status: 'firing',
          labels: { ...labels, node: 'n1' },
          annotations: { summary: 'n1 cannot see its pods', description: 'why' },
          startsAt: '1970-01-01T00:00:01.000Z',
          endsAt: '0001-01-01T00:00:00Z',
          generatorURL: 'https://perfleet.example/#page=nodes&picked=n1',
          fingerprint: 'a',
        },
        expect.objectContaining({ status: 'resolved', endsAt: '1970-01-01T00:00:02.000Z', fingerprint: 'b' }),
      ],
    });
    expect(messages[1]!.alerts[0]!.labels).not.toHaveProperty('cluster');
  });

  it('cuts nothing off: what does not fit comes in the next message', () => {
    const many = Array.from({ length: 2 * MAX_ALERTS + 1 }, (_, i) => record({ id: `${i}`, node: `n${i}` }));
    const messages = messagesOf('w', many, '');
    expect(messages.map((m) => m.message.alerts.length)).toEqual([MAX_ALERTS, MAX_ALERTS, 1]);
    expect(messages.flatMap((m) => m.records)).toEqual(many);
  });

  it('names a receiver without telling its address', () => {
    expect(receiverOf('https://hooks.example/T0/secret')).toMatch(/^webhook-[0-9a-f]{8}$/);
  });
});
