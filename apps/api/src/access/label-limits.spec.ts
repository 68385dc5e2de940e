import { expect, it } from 'vitest';
import { limitQuery, limitSelector } from './label-limits.ts';

const labels = { namespace: ['shop'] };
const team = { name: 'x', labels };

it.each([
  ['', '{namespace="shop"}'],
  ['cpu{}', 'cpu{namespace="shop"}'],
  ['cpu{namespace="bank"}', 'cpu{namespace="bank", namespace="shop"}'],
  ['{namespace=~".*)|(?:.*"}', '{namespace=~".*)|(?:.*", namespace="shop"}'],
])('adds its matchers to %j', (text, expected) => expect(limitSelector(text, labels)).toBe(expected));

it('takes values as texts, several as alternatives', () => {
  expect(limitSelector('{}', { pod: ['a.b', 'c|d'] })).toBe('{pod=~"a\\\\.b|c\\\\|d"}');
  expect(limitSelector('{}', { pod: ['a.b"'] })).toBe('{pod="a.b\\""}');
});

it('narrows the parameters that are selectors, of which query is always there', () => {
  const query: Record<string, unknown> = { baseQuery: '{pod="x"}', other: '{}' };
  limitQuery(query, team, { scope: 'read', limit: ['query', 'baseQuery', 'leftQuery'] });
  expect(query).toEqual({
    query: '{namespace="shop"}',
    baseQuery: '{pod="x", namespace="shop"}',
    other: '{}',
  });
});

it('refuses what does not say how it is narrowed, and leaves callers without labels alone', () => {
  expect(() => limitQuery({}, team, { scope: 'read' })).toThrow(/sees namespace=shop only/);
  const query = { query: '{' };
  limitQuery(query, { name: 'x', labels: {} }, { scope: 'read' });
  expect(query).toEqual({ query: '{' });
});
