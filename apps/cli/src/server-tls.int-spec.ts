import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { join } from 'node:path';
import { connect, type PeerCertificate } from 'node:tls';
import { createApi, type Api, type StartedApi } from '@perfleet/api';
import { openStore, type Store } from '@perfleet/clickhouse';
import { loadConfig } from '@perfleet/config';
import { TOPICS, TOPIC_SPECS } from '@perfleet/messages';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { makeCertificate, requireTool, tempDir, waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serverTls } from './server-tls.ts';
import { settingsSchema, type Settings } from './settings.ts';

const logger = createLogger('tls', { level: 'silent' });
const tool = requireTool('openssl');

describe.skipIf(!tool.available)(`TLS of the API's ports${tool.reason && ` (skipped: ${tool.reason})`}`, () => {
  const dir = tempDir();
  const file = (name: string) => join(dir.path, name);
  let store: Store;
  let nodeState: NodeStateStore;
  let stream: Stream;
  let api: Api;
  let started: StartedApi;
  let ca: string;

  const settingsOf = (cert: string, key: string): Settings =>
    loadConfig(settingsSchema, { PERFLEET_TLS_CERT_FILE: cert, PERFLEET_TLS_KEY_FILE: key });
  const tlsOf = (cert: string, key: string) =>
    serverTls(settingsOf(cert, key), ['tlsCertFile', 'tlsKeyFile'], logger, 20);
  /** What a client that trusts only this certificate is told. */
  const get = (port: number | string, path: string, headers: Record<string, string> = {}) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      const call = request({ host: 'localhost', port, path, ca, headers }, (response) => {
        let body = '';
        response.on('data', (data) => (body += String(data)));
        response.on('end', () => resolve({ status: response.statusCode!, body }));
      });
      call.on('error', reject).end();
    });
  const certificateAt = (port: string) =>
    new Promise<PeerCertificate>((resolve, reject) => {
      const socket = connect({ host: 'localhost', port: Number(port), rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate());
        socket.destroy();
      });
      socket.on('error', reject);
    });

  beforeAll(async () => {
    const { cert, key } = makeCertificate(dir.path);
    ca = readFileSync(cert, 'utf8');
    store = await openStore({ kind: 'embedded', path: file('clickhouse') });
    nodeState = openSqliteNodeState({ path: file('nodes.db') });
    stream = await openEmbeddedStream({ path: file('stream.db'), logger });
    await stream.ensureTopics([{ name: TOPICS.profiles, ...TOPIC_SPECS.profiles }]);
    const ingest = { stream, topicPrefix: '', node: 'api', otlpHost: 'localhost', otlpGrpcPort: 0, otlpHttpPort: 0 };
    const webRoot = dir.path;
    writeFileSync(file('index.html'), '<p>the page</p>');
    const tls = tlsOf(cert, key);
    api = createApi({ store, nodeState, logger, webRoot, host: 'localhost', port: 0, clickhousePort: 0, ingest, tls });
    started = await api.start();
  });
  afterAll(async () => {
    await api?.stop();
    await stream?.close();
    await nodeState?.close();
    await store?.close();
    dir.remove();
  });

  it('serves the page, SQL for clients of ClickHouse and OTLP by it', async () => {
    expect(started.url).toMatch(/^https:\/\/localhost:\d+$/);
    expect(await get(new URL(started.url).port, '/')).toMatchObject({ status: 200, body: '<p>the page</p>' });
    expect(started.clickhouseUrl).toMatch(/^https:/);
    const sql = await get(new URL(started.clickhouseUrl!).port, '/?query=SELECT%201');
    expect(sql).toEqual({ status: 200, body: '1\n' });
    expect(await get(started.otlpHttpPort!, '/nothing')).toMatchObject({ status: 404 });

    const session = connectHttp2(`https://localhost:${started.otlpGrpcPort}`, { ca });
    const call = session.request({
      ...{ ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' },
      ':path': '/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export',
    });
    // One message without a byte.
    call.end(Buffer.alloc(5));
    const trailers = await new Promise<Record<string, unknown>>((resolve, reject) => {
      call.on('error', reject).on('trailers', resolve).resume();
    });
    session.destroy();
    expect(trailers).toMatchObject({ 'grpc-status': '0' });
  });

  it('answers nobody without it', async () => {
    for (const port of [new URL(started.url).port, started.otlpHttpPort, new URL(started.clickhouseUrl!).port])
      await expect(fetch(`http://localhost:${port}/`)).rejects.toThrow('fetch failed');
  });

  it('takes a renewed certificate without a restart, and keeps the last good one meanwhile', async () => {
    const { port } = new URL(started.url);
    const first = await certificateAt(port);
    const renewed = makeCertificate(dir.path, 'renewed-');
    // The key comes a moment after its certificate.
    copyFileSync(renewed.cert, file('cert.pem'));
    expect((await certificateAt(port)).serialNumber).toBe(first.serialNumber);
    copyFileSync(renewed.key, file('key.pem'));
    await waitFor(async () => (await certificateAt(port)).serialNumber !== first.serialNumber, {
      ...{ timeoutMs: 10_000, what: 'the renewed certificate' },
    });
    ca = readFileSync(renewed.cert, 'utf8');
    expect(await get(port, '/')).toMatchObject({ status: 200 });
  });

  it('says which setting is wrong', () => {
    const { cert, key } = makeCertificate(dir.path, 'other-');
    expect(tlsOf('', '')).toBeNull();
    expect(() => tlsOf(cert, '')).toThrow('PERFLEET_TLS_KEY_FILE is missing: the key of PERFLEET_TLS_CERT_FILE');
    expect(() => tlsOf('', key)).toThrow('PERFLEET_TLS_CERT_FILE is missing');
    expect(() => tlsOf(cert, file('none'))).toThrow(/PERFLEET_TLS_KEY_FILE=\S+none: cannot be read \(ENOENT/);
    expect(() => tlsOf(cert, file('key.pem'))).toThrow(
      /are no certificate with its key in PEM \(.*key values mismatch/,
    );
  });
});
