import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fromBinary } from '@bufbuild/protobuf';
import { Code, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { ProfilesService } from '@perfleet/otlp';
import { StreamUnavailableError, type Stream } from '@perfleet/stream';
import { afterEach, describe, expect, it } from 'vitest';
import { startPipeline, type Pipeline, type PipelineOptions } from '../support/pipeline.ts';

const body = new Uint8Array(readFileSync(new URL('../../libs/otlp/fixtures/sender.binpb', import.meta.url)));
let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

const start = async (ingest: PipelineOptions['ingest']) => (pipeline = await startPipeline({ ingest }));

async function otlpHttp({ otlpHttpPort }: Pipeline) {
  const response = await fetch(`http://127.0.0.1:${otlpHttpPort}/v1development/profiles`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf' },
    body,
  });
  const message = Buffer.from(await response.arrayBuffer()).toString('latin1');
  return { status: response.status, retryAfter: response.headers.get('retry-after'), message };
}

/** gRPC's code, or 0. */
async function otlpGrpc({ otlpGrpcPort }: Pipeline): Promise<number> {
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${otlpGrpcPort}` });
  try {
    await createClient(ProfilesService, transport).export(fromBinary(ProfilesService.method.export.input, body));
    return 0;
  } catch (error) {
    return (error as { code: number }).code;
  }
}

const folded = ({ url }: Pipeline) => fetch(`${url}/ingest?name=a`, { method: 'POST', body: 'a 1' });

describe('a sender over its rate', () => {
  it('is told to try again, in each protocol’s own form', async () => {
    const running = await start({ rates: { requestsPerSecond: 1, mibPerSecond: 1 } });
    // One a second, ten at once; a slow machine earns some more meanwhile.
    const answers = [];
    while (answers.at(-1)?.status !== 429) answers.push(await otlpHttp(running));
    expect(answers.length).toBeGreaterThan(10);
    expect(answers.at(-1)).toMatchObject({ retryAfter: '5', message: expect.stringContaining('its rate') });
    expect(await otlpGrpc(running)).toBe(Code.Unavailable);
    const response = await folded(running);
    expect([response.status, await response.text()]).toEqual([429, expect.stringContaining('its rate')]);
  });
});

describe('while the stream is away', () => {
  it('nothing is taken and the sender is told to try again; after that everything is exact', async () => {
    let away = true;
    const running = await startPipeline({
      wrapStream: (stream: Stream) =>
        new Proxy(stream, {
          get(target, property) {
            if (property !== 'producer') return (Reflect.get(target, property, target) as () => unknown).bind(target);
            return async () => {
              if (away) throw new StreamUnavailableError('no broker answers');
              return target.producer();
            };
          },
        }),
    });
    pipeline = running;
    expect(await otlpHttp(running)).toMatchObject({
      status: 503,
      retryAfter: '5',
      message: expect.stringContaining('no broker answers'),
    });
    expect(await otlpGrpc(running)).toBe(Code.Unavailable);
    expect((await folded(running)).status).toBe(503);
    away = false;
    expect(await otlpGrpc(running)).toBe(0);
    await expect
      .poll(async () => (await running.store.query('SELECT taken, stored, balance FROM deliveries')) as unknown[], {
        timeout: 20_000,
      })
      .toEqual([{ taken: '4', stored: '4', balance: '0' }]);
  });
});

it('a port that somebody else holds turns only itself off', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  try {
    const running = await start({ otlpGrpcPort: port });
    expect(running.otlpGrpcPort).toBeNull();
    expect((await otlpHttp(running)).status).toBe(200);
  } finally {
    await new Promise((resolve) => other.close(resolve));
  }
});

it('off is off', async () => {
  const running = await start({ otlpGrpcPort: null, otlpHttpPort: null });
  expect([running.otlpGrpcPort, running.otlpHttpPort]).toEqual([null, null]);
  expect((await folded(running)).status).toBe(200);
});
