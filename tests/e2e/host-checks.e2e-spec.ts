import { request as httpRequest } from 'node:http';
import { serveClickhouse, storeEngine, type ClickhouseHttp } from '@perfleet/clickhouse';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';

let pipeline: Pipeline;
let clickhouse: ClickhouseHttp;
beforeAll(async () => {
  pipeline = await startPipeline({ allowedHosts: ['perfleet.example.com'] });
  clickhouse = await serveClickhouse({ engine: storeEngine(pipeline.store), scope: 'admin', port: 0 });
});
afterAll(async () => {
  await clickhouse?.close();
  await pipeline?.stop();
});

/** `fetch` sets `Host` itself; a browser whose name was rebound sends another one. */
function send(url: string, headers: Record<string, string>, body?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: body === undefined ? 'GET' : 'POST', headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe.each<[string, () => [url: string, headers: Record<string, string>, body?: string]]>([
  ['reads', () => [`${pipeline.url}/api/v1/labels`, {}]],
  ['SQL', () => [`${pipeline.url}/api/v1/sql`, { 'content-type': 'application/json' }, '{"query": "SELECT 1"}']],
  ['metrics', () => [`${pipeline.url}/metrics`, {}]],
  [
    'Pyroscope’s querier',
    () => [`${pipeline.url}/querier.v1.QuerierService/LabelNames`, { 'content-type': 'application/json' }, '{}'],
  ],
  ['Pyroscope’s /ingest', () => [`${pipeline.url}/ingest?name=a`, { 'content-type': 'text/plain' }, 'a 1']],
  [
    'OTLP',
    () => [
      `http://127.0.0.1:${pipeline.otlpHttpPort}/v1development/profiles`,
      { 'content-type': 'application/json' },
      '{}',
    ],
  ],
  ['ClickHouse’s port', () => [`${clickhouse.url}/?query=SELECT%201`, {}]],
])('%s', (_, target) => {
  const call = (more: Record<string, string>) => {
    const [url, headers, body] = target();
    return send(url, { ...headers, ...more }, body);
  };
  it('takes a program and a page of its own', async () => {
    expect((await call({})).status).toBe(200);
    const { host } = new URL(target()[0]);
    expect((await call({ origin: `http://${host}` })).status).toBe(200);
  });

  it('refuses a rebound name and other sites’ pages, and says why', async () => {
    for (const headers of [
      { host: 'evil.example' },
      { host: 'evil.example', origin: 'http://evil.example' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
    ] as Array<Record<string, string>>) {
      const { status, text } = await call(headers);
      expect([status, text]).toEqual([403, expect.stringMatching(/refused|is not this server/)]);
    }
  });
});

it('takes a name that is allowed', async () => {
  expect((await send(`${pipeline.url}/api/v1/labels`, { host: 'perfleet.example.com' })).status).toBe(200);
});
