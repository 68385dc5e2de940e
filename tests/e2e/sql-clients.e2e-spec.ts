import { waitFor } from '@perfleet/testing';
import { issueToken } from '@perfleet/tokens';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';
import { pythonClient } from '../support/python-client.ts';

const notebook = pythonClient('notebook.py');
describe.skipIf(!notebook.available)(`clickhouse-connect${notebook.reason && ` (skipped: ${notebook.reason})`}`, () => {
  let pipeline: Pipeline;
  let token: string;
  beforeAll(async () => {
    pipeline = await startPipeline({ auth: 'tokens', clickhousePort: 0 });
    const { tokens } = pipeline.nodeState;
    const sender = await issueToken(tokens, { name: 'sender', scopes: ['ingest'] });
    token = (await issueToken(tokens, { name: 'notebook', scopes: ['sql'] })).token;
    const response = await fetch(`${pipeline.url}/ingest?name=shop.cpu&sampleRate=100`, {
      method: 'POST',
      headers: { authorization: `Bearer ${sender.token}` },
      body: 'main;work 3\n',
    });
    expect(response.status).toBe(200);
    const stored = async () =>
      (await pipeline.store.query('SELECT value FROM profiles WHERE service = {s:String}', { s: 'shop' })).length > 0;
    await waitFor(stored, { timeoutMs: 20_000, what: 'the profile in the store' });
  });
  afterAll(() => pipeline?.stop());

  it('asks with a token: Native of its protocol version, parameters, the catalogue, refusals', async () => {
    const answers = JSON.parse(await notebook.run(pipeline.clickhouseUrl!, token)) as Record<string, unknown>;
    expect(answers).toMatchObject({
      tables: expect.arrayContaining(['profiles', 'nodes']),
      columns: ['service', 'v', 'any(labels)', 'any(frames)'],
      rows: [['shop', 30_000_000, {}, ['main', 'work']]],
      described: ['time', "DateTime('UTC')"],
      database: 'default',
      table: expect.stringMatching(/497.*table samples is not allowed/),
      write: expect.stringMatching(/only SELECT.*not DROP/),
    });
  });

  it('is told that its token is none', async () => {
    await expect(notebook.run(pipeline.clickhouseUrl!, 'guess')).rejects.toThrow(/516/);
  });
});
