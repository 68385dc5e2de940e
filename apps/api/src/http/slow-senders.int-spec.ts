import { connect } from 'node:net';
import { join } from 'node:path';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dir, nodeState, store, useTestApi } from '../api.fixture.ts';
import { createApi, type Api } from '../create-api.ts';

useTestApi();

let stream: Stream;
let api: Api;
let ports: Record<string, number>;
beforeAll(async () => {
  const logger = createLogger('api', { level: 'silent' });
  stream = await openEmbeddedStream({ path: join(dir, 'stream.db'), logger });
  const ingest = { stream, topicPrefix: '', node: 'api', otlpHost: '127.0.0.1', otlpGrpcPort: null, otlpHttpPort: 0 };
  api = createApi({ store, nodeState, port: 0, clickhousePort: 0, ingest, logger, arrivalMs: 200 });
  const { url, clickhouseUrl, otlpHttpPort } = await api.start();
  ports = { page: Number(new URL(url).port), clickhouse: Number(new URL(clickhouseUrl!).port), otlp: otlpHttpPort! };
});
afterAll(async () => {
  await api?.stop();
  await stream?.close();
});

/** What a server says until it ends the connection. */
function untilEnd(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (data) => (answer += String(data)));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe.each(['page', 'clickhouse', 'otlp'])('a request on the port of %s that does not arrive', (port) => {
  it('in its headers is ended', async () => {
    expect(await untilEnd(ports[port]!, 'GET / HTTP/1.1\r\nhost: localhost\r\n')).toMatch(/^HTTP\/1.1 408 /);
  });

  it('in its body is ended', async () => {
    const head = 'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{';
    expect(await untilEnd(ports[port]!, head)).toMatch(/^HTTP\/1.1 4\d\d /);
  });
});
