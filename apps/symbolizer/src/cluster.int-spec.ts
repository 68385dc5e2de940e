import { execFileSync } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
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
import { openEmbeddedStream, readTopic, type EmbeddedStream } from '@perfleet/stream';
import { createSymbolizer, type Symbolizer } from '@perfleet/symbols';
import { tempDir, waitFor } from '@perfleet/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSymbolizerService, type SymbolizerService } from './symbolizer-service.ts';

const NODES = 9;
const PROGRAMS = 12;
const FUNCTIONS = 20;

interface Program {
  readonly path: string;
  readonly gnuBuildId: string;
  readonly addresses: readonly bigint[];
}

/** Several symbolizers on one log; what they ask the binaries for is counted over all of them. */
describe('symbolizers of one cluster', () => {
  let dir: ReturnType<typeof tempDir>;
  let stream: EmbeddedStream;
  let asked: string[];
  let programs: Program[];
  const running: SymbolizerService[] = [];

  beforeEach(async () => {
    asked = [];
    dir = tempDir('perfleet-cluster-');
    programs = Array.from({ length: PROGRAMS }, (_, i) => compile(`p${i}`, i));
    stream = await openEmbeddedStream({ path: ':memory:' });
    await stream.ensureTopics(
      (Object.keys(TOPICS) as TopicName[]).map((name) => ({ name: TOPICS[name], ...TOPIC_SPECS[name] })),
    );
  });
  afterEach(async () => {
    for (const service of running.splice(0)) await service.stop();
    await stream.close();
    dir.remove();
  });

  /** A program that only its build id tells from the others. */
  const compile = (name: string, number: number): Program => {
    const [path, names] = [join(dir.path, name), Array.from({ length: FUNCTIONS }, (_, i) => `f${i}`)];
    const functions = names.map((name) => `int ${name}(void) { return 1; }`);
    writeFileSync(`${path}.c`, [...functions, 'int main(void) { return 0; }'].join('\n'));
    const gnuBuildId = (0xabcdef00 + number).toString(16);
    execFileSync('gcc', ['-g', `-Wl,--build-id=0x${gnuBuildId}`, '-o', path, `${path}.c`]);
    const symbols = execFileSync('nm', [path], { encoding: 'utf8' });
    const addresses = names.map((name) => BigInt(`0x${new RegExp(`^(\\w+) T ${name}$`, 'm').exec(symbols)![1]}`));
    return { path, gnuBuildId, addresses };
  };
  const start = async () => {
    const real = createSymbolizer();
    const symbols: Symbolizer = {
      resolve(binary, addresses) {
        asked.push(...addresses.map((address) => `${binary.binaryId} ${address}`));
        return real.resolve(binary, addresses);
      },
      close: () => real.close(),
    };
    const logger = createLogger('test', { level: 'error' });
    const service = createSymbolizerService({ stream, topicPrefix: '', instance: 'n', symbols, logger, retryMs: 50 });
    running.push(service);
    await service.start();
    return service;
  };
  const publish = async (node: string, some = programs) => {
    const e = new ProfilesEncoder();
    const stacks = some.map(({ path, gnuBuildId, addresses }) => {
      const mapping = e.mapping({ filename: path, gnuBuildId });
      return e.stack(addresses.map((address) => e.location({ mapping, address, kind: 'native' })));
    });
    const profile = e.resource([]).profile({
      ...{ sampleType: { type: 'samples', unit: 'count' }, periodType: { type: 'cpu', unit: 'nanoseconds' } },
      ...{ period: 1, timeUnixNano: 1n, durationNano: 1n },
    });
    for (const stack of stacks) profile.sample(stack, [e.attribute('process.pid', process.pid)], 1);
    const headers = encodeProfileHeaders({
      ...{ schema: OTLP_SCHEMA, node, epoch: '0'.repeat(16), epochStart: 0, seq: 1, sent: 0, taken: 1, lost: {} },
    });
    await (await stream.producer()).send(TOPICS.profiles, [{ key: node, value: e.finish(), headers }]);
  };
  /** The last message of each page, as compaction keeps them. */
  const pages = async () => {
    const found = new Map<string, SymbolsMessage>();
    const onMessage = ({ key, value }: { key: Uint8Array | null; value: Uint8Array | null }) => {
      const parsed = parseJson(symbolsSchema, value);
      if (parsed.ok) found.set(Buffer.from(key!).toString(), parsed.value);
    };
    await readTopic(stream, TOPICS.symbols, { group: 'test', onMessage });
    return [...found.values()];
  };
  const named = async () =>
    (await pages()).flatMap(({ frames }) => frames.filter(({ quality }) => quality === 3)).length;
  const untilNamed = (count: number) =>
    waitFor(async () => (await named()) === count, { timeoutMs: 60_000, what: `${count} named addresses` });
  const committed = async () => {
    const ends = (await stream.offsets(TOPICS.addresses)).map(({ high }) => high);
    return ends.reduce((sum, end) => sum + end, 0n);
  };

  it('resolve each address once, however many there are and whoever sees it', async () => {
    const services = [await start(), await start(), await start()];
    for (let node = 0; node < NODES; node++) await publish(`node-${node}`);
    await untilNamed(PROGRAMS * FUNCTIONS);
    // Every node's message was scanned, by all of the instances.
    await waitFor(() => services.reduce((sum, s) => sum + s.stats().forwarded, 0) >= PROGRAMS * FUNCTIONS, {
      timeoutMs: 60_000,
      what: 'all messages to be scanned',
    });
    expect(services.filter((service) => service.stats().resolved > 0).length).toBeGreaterThan(1);
    expect(services.filter((service) => service.stats().forwarded > 0).length).toBeGreaterThan(1);
    expect(asked).toHaveLength(PROGRAMS * FUNCTIONS);
    expect(new Set(asked).size).toBe(asked.length);
  });

  it('know after a restart what was resolved, keep pages whole, and go on waiting', async () => {
    const late = compile('late', PROGRAMS);
    renameSync(late.path, `${late.path}.away`);
    const first = await start();
    const [some, more] = [
      programs.slice(0, 2).map((p) => ({ ...p, addresses: p.addresses.slice(1) })),
      programs.slice(0, 2),
    ];
    await publish('n', [...some, late]);
    await untilNamed(2 * (FUNCTIONS - 1));
    await waitFor(() => first.stats().unresolved === FUNCTIONS, { timeoutMs: 60_000, what: 'the late binary' });
    await first.stop();
    running.pop();
    asked.length = 0;

    const second = await start();
    await publish('n', more);
    await untilNamed(2 * FUNCTIONS);
    const known = (one: string) => !one.startsWith(`gnu:${late.gnuBuildId} `);
    expect(asked.filter(known).sort()).toEqual(
      some.map(({ gnuBuildId }) => `gnu:${gnuBuildId} ${late.addresses[0]}`).sort(),
    );
    // Nothing asks for it again: only the log knows that somebody did.
    renameSync(`${late.path}.away`, late.path);
    await untilNamed(3 * FUNCTIONS);
    expect(second.stats()).toMatchObject({ skippedMessages: 0, errors: 0 });
    expect(await committed()).toBeGreaterThan(0n);
  });
});
