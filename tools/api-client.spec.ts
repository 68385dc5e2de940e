import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { clientTypes, CLIENT_TYPES_FILE } from './client-types.ts';
import { openApiDocument } from '@perfleet/api-contract/openapi';

it('is what the types of its clients were written from; otherwise npm run api-client', async () => {
  expect(readFileSync(CLIENT_TYPES_FILE, 'utf8')).toBe(await clientTypes());
});

it('refers to nothing that it does not have, and has nothing that nothing refers to', () => {
  const used = [...JSON.stringify(openApiDocument).matchAll(/"#\/components\/([^"]+)"/g)].map(([, name]) => name);
  const { schemas, responses } = openApiDocument.components;
  const there = [
    ...Object.keys(schemas).map((name) => `schemas/${name}`),
    ...Object.keys(responses).map((name) => `responses/${name}`),
  ];
  expect([...new Set(used)].sort()).toEqual(there.sort());
});
