import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeProfileHeaders, TOPICS } from '@perfleet/messages';
import { openEmbeddedStream } from '@perfleet/stream';
import { freePort, waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPerfleet, startPerfleet, urlIn, type Running } from '../support/perfleet.ts';
import { readTopic } from '../support/read-topic.ts';
import { checkBalance, deliveries, sql } from '../support/shares.ts';
import { repository, startWorkloads, type Workloads } from '../support/workloads.ts';

const dir = mkdtempSync(join(tmpdir(), 'perfleet-bad-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('a start that cannot succeed says why in one line, with the fix, and fails', () => {
  let busy: Server;
  let busyPort: string;
  let nobody: string;
  let clickhouse: Running;

  beforeAll(async () => {
    busy = createServer();
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
    busyPort = String((busy.address() as AddressInfo).port);
    nobody = `127.0.0.1:${await freePort()}`;
    clickhouse = await startPerfleet(['clickhouse', '--http-port', '0', '--data', join(dir, 'store')]);
    writeFileSync(join(dir, 'file'), 'not a directory');
  });
  afterAll(async () => {
    busy?.close();
    await clickhouse?.stop('SIGKILL');
  });

  const fails = async (args: string[], env: Record<string, string> = {}) => {
    const { code, out, err } = await runPerfleet(args, env);
    expect(code, `${args.join(' ')}: ${out}${err}`).toBe(1);
    expect(out).toBe('');
    expect(err).toMatch(/^perfleet: /m);
    expect(err, 'no stack trace').not.toMatch(/^\s+at /m);
    return err;
  };
  const line = /^perfleet: [^\n]+\n$/;

  it('data directory not writable', async () => {
    const places = { up: join(dir, 'file'), collector: join(dir, 'file/below'), clickhouse: '/proc/below' };
    for (const [command, data] of Object.entries(places)) {
      const err = await fails([command, '--data', data]);
      expect(err).toMatch(line);
      expect(err).toContain(`data directory ${data} is not writable`);
      expect(err).toContain('choose another with --data DIR');
    }
  });

  it('port in use', async () => {
    for (const command of ['up', 'clickhouse']) {
      const err = await fails([command, '--data', join(dir, command), '--http-port', busyPort]);
      expect(err.split('\n').filter((text) => text.startsWith('perfleet: '))).toEqual([
        `perfleet: port ${busyPort} on 127.0.0.1 is in use; choose another with --http-port N (0 = any free one)`,
      ]);
    }
  });

  it('broker, ClickHouse or Redis unreachable', async () => {
    const store = ['--clickhouse-url', urlIn(clickhouse.line)];
    const data = ['--data', join(dir, 'unreachable')];
    for (const args of [['collector'], ['symbolizer'], ['aggregator', ...store]]) {
      const err = await fails([...args, ...data, '--kafka-brokers', nobody]);
      expect(err).toMatch(line);
      expect(err).toMatch(new RegExp(`cannot reach Kafka at ${nobody}: .*; check that the addresses are right`));
    }
    expect(await fails(['api', ...data, ...store, '--redis-url', `redis://me:secret@${nobody}`])).toMatch(
      new RegExp(`^perfleet: cannot reach the node state store at ${nobody} \\(.*\\); check --redis-url.*\n$`),
    );
    expect(await fails(['api', ...data, '--clickhouse-url', `http://${nobody}`])).toMatch(
      new RegExp(`^perfleet: cannot reach ClickHouse at http://${nobody}/ .*; check the address.*\n$`),
    );
    expect(await fails(['api', ...data])).toMatch(/PERFLEET_CLICKHOUSE_URL is not set: .*start one with/);
  });

  it('bad configuration, every error of it at once', async () => {
    const err = await fails(['collector', '--rate', 'fast', '--kafka-sasl-user', 'me'], {
      PERFLEET_KAFKA_BROKERS: 'kafka',
      PERFLEET_REDIS_URL: 'http://me:secret@redis',
      PERFLEET_KAFKA_TLS: 'maybe',
    });
    expect(err).toMatch(/^perfleet: bad configuration:\n/);
    for (const expected of [
      /^ {2}PERFLEET_KAFKA_BROKERS=kafka: must be host:port/m,
      /^ {2}PERFLEET_RATE_HZ=fast: /m,
      /^ {2}PERFLEET_REDIS_URL=http:\/\/me:…@redis: must start with redis:\/\//m,
      /^ {2}PERFLEET_KAFKA_TLS=maybe: must be true or false/m,
      /^ {2}PERFLEET_KAFKA_SASL_MECHANISM: needed by/m,
    ])
      expect(err).toMatch(expected);
    expect(err.trimEnd().split('\n')).toHaveLength(6);
    expect(
      await fails(['collector'], { PERFLEET_KAFKA_BROKERS: 'k:1', PERFLEET_KAFKA_CA_FILE: join(dir, 'none') }),
    ).toMatch(/PERFLEET_KAFKA_CA_FILE=.*none: cannot be read \(ENOENT/);
  });
});

describe('a machine that runs a program whose file is corrupt', () => {
  const data = join(dir, 'up');
  const corrupt = join(dir, 'burn-corrupt');
  let workloads: Workloads;
  let program: ChildProcess;
  let up: Running;
  let server: string;
  const start = async () => {
    up = await startPerfleet(['up', '--http-port', '0', '--data', data, '--rate', '99']);
    server = urlIn(up.line).replace(/\/$/, '');
  };
  const seconds = async (process: string, functions: string) =>
    Number(
      (
        await sql(
          server,
          `SELECT sum(total) / 1e9 FROM functions WHERE process = '${process}' AND function LIKE '${functions}'`,
        )
      ).rows[0]![0],
    );

  beforeAll(async () => {
    const source = join(repository, 'tests/workloads/burn.cpp');
    // Its own build id: the program beside it is made of the same source, and equal ids share their names.
    const flags = ['-O1', '-g', '-fno-omit-frame-pointer', '-Wl,--build-id=uuid'];
    execFileSync('g++', [...flags, '-o', corrupt, source]);
    // The kernel and the loader go by the program headers alone; where the section headers should be, there is nothing.
    const bytes = readFileSync(corrupt);
    bytes.writeBigUInt64LE(0xffff_ffff_ffff_f000n, 0x28);
    writeFileSync(corrupt, bytes);
    program = spawn(corrupt, { stdio: 'ignore' });
    workloads = startWorkloads();
    await start();
  });
  afterAll(async () => {
    program?.kill('SIGKILL');
    workloads?.stop();
    await up?.stop('SIGKILL');
  });

  it('keeps its frames as module+0xaddr, warns once, and names the frames of others', async () => {
    await waitFor(async () => (await seconds('burn-corrupt', 'burn-corrupt+0x%')) > 0.5, {
      timeoutMs: 100_000,
      what: 'half a second of the corrupt program',
      intervalMs: 2000,
    });
    await waitFor(async () => (await seconds(workloads.native, 'hot_seventy')) > 0.3, {
      timeoutMs: 100_000,
      what: 'names of the program beside it',
      intervalMs: 2000,
    });
    expect(await seconds('burn-corrupt', 'hot_seventy')).toBe(0);
    const warnings = up
      .log()
      .split('\n')
      // What was asked for in SQL is in the log, too.
      .filter((text) => text.includes('burn-corrupt') && !text.includes('"audit":"sql"'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/its frames stay module\+0xaddr/);
  });

  it('loses nothing that was written when it is stopped', async () => {
    const { code } = await up.stop('SIGINT');
    expect(code, up.log()).toBe(0);
    const log = await openEmbeddedStream({ path: join(data, 'stream.db') });
    const headers = (await readTopic(log, TOPICS.profiles)).map((message) => decodeProfileHeaders(message.headers));
    await log.close();
    const sent = headers.map((parsed) => (parsed.ok ? parsed.value : null)).filter((one) => one !== null);
    const last = sent.reduce((a, b) => (b.seq > a.seq ? b : a));

    await start();
    await waitFor(async () => (await deliveries(server)).length === 2, {
      timeoutMs: 60_000,
      what: 'the epoch of the second run',
    });
    await checkBalance(server);
    const first = (await deliveries(server)).find(({ epoch }) => epoch === last.epoch);
    expect(first).toMatchObject({ messages: sent.length, last_seq: last.seq, gaps: 0, taken: last.taken });
    const events = (await sql(server, `SELECT kind FROM node_events WHERE epoch = '${last.epoch}'`)).rows.flat();
    expect(events).toContain('stopped');
    expect(events).not.toContain('unclean-exit');
  });
});
