import { readFileSync } from 'node:fs';
import { equals, fromBinary, fromJson, toBinary, type JsonValue } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { QuerierService } from './index.ts';

const file = (name: string) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url));
const requests = JSON.parse(file('requests.json').toString()) as Record<string, JsonValue>;

describe('requests of Pyroscope’s own client', () => {
  it.each(Object.entries(requests))('%s: the bytes and the JSON say the same, and nothing is lost', (name, json) => {
    const method = QuerierService.methods.find((m) => name.startsWith(m.name))!;
    const bytes = new Uint8Array(file(`${name}.binpb`));
    const message = fromBinary(method.input, bytes);
    expect(equals(method.input, message, fromJson(method.input, json))).toBe(true);
    expect(message.$unknown).toBeUndefined();
    expect(toBinary(method.input, message)).toEqual(bytes);
  });
});
