import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  encodeProfileHeaders,
  parseJson,
  symbolsSchema,
  TOPIC_SPECS,
  TOPICS,
  type SymbolsMessage,
  type TopicName,
} from '@perfleet/messages';
import { createLogger } from '@perfleet/observability';
import { OTLP_SCHEMA, ProfilesEncoder } from '@perfleet/otlp';
import { openEmbeddedStream, type EmbeddedStream } from '@perfleet/stream';
import { createSymbolizer, type Symbolizer } from '@perfleet/symbols';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSymbolizerService } from './symbolizer-service.ts';

describe('symbolizer over the embedded log', () => {
  let dir: string;
  let stream: EmbeddedStream;
  let program: string;
  let main: bigint;
  const service = (symbols: Symbolizer = createSymbolizer()) =>
    createSymbolizerService({
      stream,
      topicPrefix: '',
      instance: 'n',
      symbols,
      logger: createLogger('test', { level: 'error' }),
      retryMs: 50,
    });

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'perfleet-symbolizer-'));
    program = join(dir, 'late');
    writeFileSync(join(dir, 'a.c'), 'int answer(void) { return 42; } int main(void) { return answer(); }');
    execFileSync('gcc', ['-g', '-o', program, join(dir, 'a.c')]);
    main = BigInt(
      `0x${
        execFileSync('nm', [program], { encoding: 'utf8' })
          .split('\n')
          .find((l) => l.endsWith(' main'))!
          .split(' ')[0]
      }`,
    );
    stream = await openEmbeddedStream({ path: ':memory:' });
    await stream.ensureTopics(
      (Object.keys(TOPICS) as TopicName[]).map((name) => ({ name: TOPICS[name], ...TOPIC_SPECS[name], partitions: 1 })),
    );
  });
  afterAll(async () => {
    await stream.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const publish = async (path: string, addresses: bigint[], body?: Uint8Array) => {
    const e = new ProfilesEncoder();
    const mapping = e.mapping({ filename: path });
    const stack = e.stack(addresses.map((address) => e.location({ mapping, address, kind: 'native' })));
    e.resource([])
      .profile({
        sampleType: { type: 'samples', unit: 'count' },
        periodType: { type: 'cpu', unit: 'nanoseconds' },
        period: 1,
        timeUnixNano: 1n,
        durationNano: 1n,
      })
      .sample(stack, [e.attribute('process.pid', process.pid)], 1);
    const headers = encodeProfileHeaders({
      schema: OTLP_SCHEMA,
      node: 'n',
      epoch: '0'.repeat(16),
      epochStart: 0,
      seq: 1,
      sent: 0,
      taken: 1,
      lost: {},
    });
    await (await stream.producer()).send(TOPICS.profiles, [{ key: 'n', value: body ?? e.finish(), headers }]);
  };
  /** Resolves with the first symbols message, from the start of the topic, that `wanted` accepts. */
  const symbolsMessage = (wanted: (m: SymbolsMessage) => boolean) =>
    new Promise<SymbolsMessage>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no such symbols message within 30 s')), 30_000);
      const consumer = stream.consumer({
        group: `test-${Math.random()}`,
        topics: [TOPICS.symbols],
        open: () => ({
          onBatch: async ({ messages }) => {
            for (const message of messages) {
              const parsed = parseJson(symbolsSchema, message.value);
              if (!parsed.ok || !wanted(parsed.value)) continue;
              clearTimeout(timer);
              resolve(parsed.value);
              void consumer.stop();
            }
          },
        }),
      });
      void consumer.start();
    });

  it('names an address once, passes over what cannot be decoded, and resolves late binaries when they come', async () => {
    const symbolizer = service();
    await symbolizer.start();
    await publish(program, [], Uint8Array.of(1, 2, 3));
    await publish(program, [main]);
    const named = await symbolsMessage((m) => m.frames.some((f) => f.quality === 3));
    expect(named.frames[0]!.chain[0]![0]).toBe('main');
    expect(named.binaryId).toBe(`path:${program}`);

    await publish(program, [main]);
    const late = join(dir, 'comes-later');
    await publish(late, [main]);
    expect((await symbolsMessage((m) => m.binaryId === `path:${late}`)).frames[0]).toMatchObject({
      quality: 0,
      reason: 'no file',
    });
    execFileSync('cp', [program, late]);
    expect(
      (await symbolsMessage((m) => m.binaryId === `path:${late}` && m.frames[0]!.quality === 3)).frames[0]!
        .chain[0]![0],
    ).toBe('main');
    expect(symbolizer.stats()).toMatchObject({ forwarded: 2, resolved: 2, skippedMessages: 1 });
    await symbolizer.stop();
  });

  it('stops at once while a binary is being converted, and leaves its addresses to the next owner', async () => {
    let asked = 0;
    const never = { resolve: () => (asked++, new Promise<never>(() => undefined)), close: () => undefined };
    const stuck = service(never);
    await stuck.start();
    const other = join(dir, 'other');
    execFileSync('cp', [program, other]);
    await publish(other, [main]);
    await expect.poll(() => asked, { timeout: 10_000 }).toBeGreaterThan(0);
    const started = performance.now();
    await stuck.stop();
    expect(performance.now() - started).toBeLessThan(2_000);

    const next = service();
    await next.start();
    expect((await symbolsMessage((m) => m.binaryId === `path:${other}`)).frames[0]!.chain[0]![0]).toBe('main');
    await next.stop();
  });
});
