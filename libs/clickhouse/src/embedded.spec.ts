import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openStore } from './index.ts';

/** Libraries that are mapped into this process. */
const loaded = () => readFileSync('/proc/self/maps', 'utf8');

it('loads no engine into a process that talks to a server', async () => {
  // Refused: nobody listens there.
  await expect(openStore({ kind: 'server', url: 'http://127.0.0.1:1' })).rejects.toThrow();
  expect(loaded()).not.toContain('libchdb');
});
