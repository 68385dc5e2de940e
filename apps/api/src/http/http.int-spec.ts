import { join } from 'node:path';
import { openStore } from '@perfleet/clickhouse';
import { createLogger } from '@perfleet/observability';
import { describe, expect, it } from 'vitest';
import { dir, nodeState, store, url, useTestApi } from '../api.fixture.ts';
import { createApi } from '../create-api.ts';

useTestApi();

describe('pages and health', () => {
  it('serves the page for every address of the application, files with their caching, and a policy', async () => {
    const html = { headers: { accept: 'text/html' } };
    for (const path of ['/', '/index.html', '/some/view']) {
      const response = await fetch(url + path, html);
      expect(await response.text()).toContain('<title>page</title>');
      expect(response.headers.get('cache-control')).toBe('no-cache');
      expect(response.headers.get('content-security-policy')).toContain("default-src 'self'");
    }
    const asset = await fetch(`${url}/assets/app-1234.js`);
    expect(asset.headers.get('cache-control')).toContain('immutable');
    expect((await fetch(`${url}/assets/none.js`, html)).status).toBe(404);
    const unknown = await fetch(`${url}/api/v1/none`, html);
    expect(unknown.status).toBe(404);
    expect(await unknown.json()).toMatchObject({ error: { code: 'not-found' } });
    expect(
      (await fetch(`${url}/..%2f..%2fetc%2fhostname`)).ok &&
        (await (await fetch(`${url}/..%2fnodes.db`)).text()).includes('SQLite'),
    ).toBe(false);
  });

  it('is alive, ready and described', async () => {
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'ok', store: 'ok', nodeState: 'ok' });
    const document = (await (await fetch(`${url}/api/openapi.json`)).json()) as { paths: Record<string, unknown> };
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/api/v1/flamegraph', '/api/v1/config/history']),
    );
    expect(document.paths['/api/v1/config']).toHaveProperty('put.responses.412');
  });

  it('names the methods of an address that has others, and says what is wrong with what is no request', async () => {
    const answer = await fetch(`${url}/api/v1/nodes/n1`, { method: 'PATCH' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, DELETE']);
    expect(await answer.json()).toMatchObject({ error: { code: 'method' } });
    expect((await fetch(`${url}/api/v1/none`, { method: 'PATCH' })).status).toBe(404);
    const long = await fetch(`${url}/api/v1/labels?query=${'x'.repeat(20_000)}`);
    expect(long.status).toBe(431);
    expect(await long.json()).toMatchObject({ error: { code: 'headers-too-large' } });
    expect(long.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('lets a query go when its client does', async () => {
    const controller = new AbortController();
    const slow = fetch(`${url}/api/v1/sql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'SELECT count() FROM numbers(8000000000) WHERE cityHash64(number) = 1' }),
      signal: controller.signal,
    });
    const running = async () =>
      Number(
        (
          await store.columns(
            "SELECT count() FROM system.processes WHERE query LIKE '%cityHash64(number)%' AND query NOT LIKE '%system.processes%'",
          )
        ).rows[0]?.[0],
      );
    await expect.poll(running, { timeout: 10_000 }).toBe(1);
    controller.abort();
    await expect(slow).rejects.toThrow();
    await expect.poll(running, { timeout: 10_000 }).toBe(0);
  });
});

describe('without its stores', () => {
  it('answers 503 with the reason, and stays alive', async () => {
    const path = join(dir, 'other');
    const gone = await openStore({ kind: 'embedded', path: join(dir, 'clickhouse') });
    await gone.close();
    const other = createApi({
      store: gone,
      nodeState,
      port: 0,
      logger: createLogger('api', { level: 'silent' }),
      webRoot: path,
    });
    const { url: otherUrl } = await other.start();
    try {
      const answer = await fetch(`${otherUrl}/api/v1/labels`);
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({ error: { code: 'store-unavailable' } });
      expect((await fetch(`${otherUrl}/readyz`)).status).toBe(503);
      expect((await fetch(`${otherUrl}/livez`)).status).toBe(200);
      expect((await fetch(`${otherUrl}/api/v1/alerts`)).status).toBe(200);
    } finally {
      await other.stop();
    }
  });
});
