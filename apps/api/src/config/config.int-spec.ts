import type { ConfigHistoryResponse, ConfigResponse, ErrorResponse } from '@perfleet/api-contract';
import { describe, expect, it } from 'vitest';
import { nodeState, url, useTestApi } from '../api.fixture.ts';

useTestApi();

describe('configuration', () => {
  const put = (body: unknown, ifMatch?: string) =>
    fetch(`${url}/api/v1/config`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', ...(ifMatch !== undefined && { 'if-match': ifMatch }) },
      body: JSON.stringify(body),
    });
  const get = async (path = '') => (await (await fetch(`${url}/api/v1/config${path}`)).json()) as ConfigResponse;
  const codeOf = async (response: Response) => [response.status, ((await response.json()) as ErrorResponse).error.code];

  it('is empty at first, and replaced only on the version that it has', async () => {
    expect(await get()).toEqual({ version: 0, changedAt: 0, by: '', comment: '', document: {}, error: '' });
    const document = { defaults: { rateHz: 49 } };
    const first = await put({ document, version: 0, by: 'ann', comment: 'why' });
    expect([first.status, first.headers.get('etag')]).toEqual([200, '"1"']);
    expect(await first.json()).toMatchObject({ version: 1, by: 'ann', comment: 'why', document, error: '' });
    expect(await codeOf(await put({ document, version: 0 }))).toEqual([409, 'config-conflict']);
    expect(await codeOf(await put({ document }, '"0"'))).toEqual([412, 'config-conflict']);
    expect(await codeOf(await put({ document }))).toEqual([428, 'version-required']);
    expect(await codeOf(await put({ document }, 'x'))).toEqual([400, 'bad-request']);
    expect((await put({ document: { defaults: { rateHz: 50 } } }, '"1"')).status).toBe(200);
    expect((await put({ document: {} }, '*')).status).toBe(200);
    const { changes } = (await (await fetch(`${url}/api/v1/config/history?limit=2`)).json()) as ConfigHistoryResponse;
    expect(changes.map(({ version, changed }) => [version, changed])).toEqual([
      [3, ['defaults.rateHz: 50 -> not stated']],
      [2, ['defaults.rateHz: 49 -> 50']],
    ]);
  });

  it('is never replaced by what is not valid; the answer names the field', async () => {
    const before = await get();
    const response = await put({ document: { overrides: [{ nodes: ['a'], settings: { rateHz: 0 } }] } }, '*');
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: {
        code: 'invalid-config',
        message: 'overrides[0].settings.rateHz: must be a whole number from 1 to 999',
      },
    });
    expect(await codeOf(await put([], '*'))).toEqual([400, 'bad-request']);
    expect(await get()).toEqual(before);
  });

  it('tells what it means for a node, and what is wrong with what something else put there', async () => {
    await put({ document: { overrides: [{ nodes: ['n*'], clusters: ['test'], settings: { rateHz: 7 } }] } }, '*');
    expect((await get('?node=n1')).settings).toMatchObject({ rateHz: 7, windowSeconds: 5 });
    expect((await get('?node=unknown')).settings).toMatchObject({ rateHz: 19 });
    await nodeState.config.set({ defaults: { rateHz: 'fast' } });
    expect(await get()).toMatchObject({
      document: { defaults: { rateHz: 'fast' } },
      error: 'defaults.rateHz: must be a whole number from 1 to 999',
    });
    expect((await put({ document: {} }, '*')).status).toBe(200);
  });
});
