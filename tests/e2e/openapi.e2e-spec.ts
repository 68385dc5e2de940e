import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '@perfleet/testing';
import { issueToken } from '@perfleet/tokens';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';
import { pythonClient } from '../support/python-client.ts';

/** `npm run test:fuzz` asks for more, and says the seed that makes a run the same again. */
const { FUZZ_EXAMPLES = '3', FUZZ_SEED = '1', FUZZ_MINUTES = '4' } = process.env;
const timeoutMs = Number(FUZZ_MINUTES) * 60_000;
const client = pythonClient('fuzz.py', { folder: 'fuzz', timeoutMs });

describe.skipIf(!client.available)(
  `the OpenAPI document${client.available ? '' : ` (skipped: ${client.reason})`}`,
  () => {
    const dir = tempDir('perfleet-fuzz-');
    let pipeline: Pipeline;
    let token: string;
    beforeAll(async () => {
      const callRates = { requestsPerSecond: 1e6, concurrent: 1000 };
      pipeline = await startPipeline({ auth: 'tokens', callRates });
      token = (await issueToken(pipeline.nodeState.tokens, { name: 'fuzz', scopes: ['admin'] })).token;
      const sent = await fetch(`${pipeline.url}/ingest?name=checkout.cpu{version=v1}&sampleRate=100`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: 'main;checkout 30\nmain 3\n',
      });
      expect(sent.status).toBe(200);
    });
    afterAll(async () => {
      await pipeline?.stop();
      dir.remove();
    });

    it(
      'is what the server does with requests that it allows and with those that it forbids',
      async () => {
        const headers = { authorization: `Bearer ${token}` };
        const document = await (await fetch(`${pipeline.url}/api/openapi.json`, { headers })).json();
        const schema = join(dir.path, 'openapi.json');
        writeFileSync(schema, JSON.stringify(closed(document)));
        const told = await client
          .run(schema, pipeline.url, token, FUZZ_EXAMPLES, FUZZ_SEED)
          .catch((error: { stdout?: string; message: string }) => `${error.stdout ?? error.message}\nFAILED`);
        expect(told, told).not.toContain('FAILED');
      },
      timeoutMs,
    );
  },
);

/** The document with objects that hold nothing but what it says: so that fields that it does not know are found. */
function closed(of: unknown): unknown {
  if (Array.isArray(of)) return of.map(closed);
  if (typeof of !== 'object' || of === null) return of;
  const copy = Object.fromEntries(Object.entries(of).map(([name, value]) => [name, closed(value)]));
  return copy['type'] === 'object' && 'properties' in copy ? { additionalProperties: false, ...copy } : copy;
}
