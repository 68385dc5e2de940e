import { expect, it } from 'vitest';
import { grantOf, parseRules } from './rules.ts';

const rule = { claim: 'groups', values: ['a'], scopes: ['read'] };

it('finds claims by name, by path, and texts in lists', () => {
  const of = (claim: string) => parseRules({ rules: [{ ...rule, claim }] });
  expect(grantOf({ groups: 'a' }, of('groups'))).toEqual({ scopes: ['read'], labels: {} });
  expect(grantOf({ realm_access: { roles: ['b', 'a'] } }, of('realm_access.roles'))).toMatchObject({
    scopes: ['read'],
  });
  expect(grantOf({ 'https://x.example/groups': ['a'] }, of('https://x.example/groups'))).toMatchObject({
    scopes: ['read'],
  });
  for (const claims of [
    {},
    { groups: 1 },
    { groups: { a: 'a' } },
    { groups: [['a']] },
    { groups: ['A', 'ab', ''] },
    { groups: null },
  ])
    expect(grantOf(claims, of('groups'))).toMatch(/no rule matches/);
  expect(grantOf({}, of('constructor.name'))).toMatch(/no rule matches/);
});

it('says what is wrong with rules', () => {
  expect(() => parseRules({})).toThrow(/rules/);
  expect(() => parseRules({ rules: [{ ...rule, scopes: ['node'] }] })).toThrow(/rules\.0\.scopes/);
  expect(() => parseRules({ rules: [{ ...rule, scope: ['read'] }] })).toThrow(/Unrecognized key.*scope/);
  expect(() => parseRules({ rules: [{ ...rule, scopes: ['admin'], labels: { namespace: ['x'] } }] })).toThrow(
    /leave out admin/,
  );
  expect(() => parseRules({ rules: [{ ...rule, scopes: ['ingest'], labelsFrom: { namespace: 'teams' } }] })).toThrow(
    /leave out ingest/,
  );
});
