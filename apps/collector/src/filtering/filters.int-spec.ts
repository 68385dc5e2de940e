import { spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FleetConfig } from '@perfleet/fleet-config';
import { decodeProfileHeaders, TOPICS, TOPIC_SPECS, type TopicName } from '@perfleet/messages';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { decodeProfiles } from '@perfleet/otlp';
import { apiServerSource, createPodNames } from '@perfleet/pods';
import { FakeApiServer } from '@perfleet/pods/testing';
import { samplerBinaryPath } from '@perfleet/sampler';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { openKubepods, requireKubepods, tempDir, waitFor, type TestContainer } from '@perfleet/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CollectorDeps } from '../collector-deps.ts';
import { createCollector, type CollectorApp } from '../create-collector.ts';

const binary = samplerBinaryPath();
const reason = process.getuid?.() !== 0 ? 'needs root' : existsSync(binary) ? '' : 'the native build is missing';
const pods = requireKubepods();
const logger = createLogger('test', { level: 'fatal' });

/** The real sampler on the real kernel. */
describe.skipIf(reason !== '')(`filters${reason && ` (skipped: ${reason})`}`, () => {
  let scratch: ReturnType<typeof tempDir>;
  let stream: Stream;
  let consumer: ReturnType<Stream['consumer']>;
  let nodeState: NodeStateStore;
  let collector: CollectorApp;
  let busy: ChildProcess[];
  /** Names of executables that were published since it was emptied, and the balance after each message. */
  let published: Set<string>;
  let stored: number;

  beforeEach(async () => {
    scratch = tempDir();
    [busy, published, stored] = [[], new Set(), 0];
    stream = await openEmbeddedStream({ path: join(scratch.path, 'stream.db'), logger });
    await stream.ensureTopics(
      (Object.keys(TOPICS) as TopicName[]).map((name) => ({ name: TOPICS[name], ...TOPIC_SPECS[name] })),
    );
    nodeState = openSqliteNodeState({ path: join(scratch.path, 'state.db') });
    consumer = stream.consumer({
      group: 'test',
      topics: [TOPICS.profiles],
      open: () => ({
        onBatch: async ({ messages }) => messages.forEach(({ value, headers }) => take(value!, headers)),
      }),
    });
    await consumer.start();
  });
  afterEach(async () => {
    await collector.stop();
    for (const child of busy) child.kill('SIGKILL');
    await consumer.stop();
    await nodeState.close();
    await stream.close();
    scratch.remove();
  });

  const take = (body: Uint8Array, raw: Readonly<Record<string, string>>) => {
    for (const { attributes, profiles } of decodeProfiles(body).resources) {
      const name = attributes.find(([key]) => key === 'process.executable.name')?.[1];
      if (typeof name === 'string') published.add(name);
      for (const { samples } of profiles) for (const value of samples.values.values) stored += value;
    }
    const headers = decodeProfileHeaders(raw);
    if (!headers.ok) throw new Error(headers.error);
    const { taken, lost } = headers.value;
    expect(taken).toBe(stored + Object.values(lost).reduce((a, b) => a + b, 0));
  };
  const start = async (more: Partial<CollectorDeps> = {}) => {
    collector = createCollector({
      ...{ stream, nodeState, logger, topicPrefix: '', node: 'n1', cluster: 'c1', kubernetes: 'no', doctor: false },
      ...{ dataDir: join(scratch.path, 'collector'), samplerBinary: binary, rateHz: 97, windowSeconds: 1 },
      ...{ configPollMs: 100, ...more },
    });
    await collector.start();
  };
  /** A process of that name that burns a CPU. */
  const burn = (name: string) => {
    copyFileSync(realpathSync('/bin/sh'), join(scratch.path, name));
    busy.push(spawn(join(scratch.path, name), ['-c', 'while :; do :; done'], { stdio: 'ignore' }));
  };
  const configure = (document: FleetConfig) => nodeState.config.set(document);
  const inForce = (version: number) =>
    waitFor(() => collector.stats().state.configVersion === version, wait(`version ${version}`));
  const wait = (what: string) => ({ timeoutMs: 60_000, what });
  const filteredInKernel = () => collector.stats().sampler?.lost['filtered'] ?? 0;
  const filtered = () => collector.stats().state.lost['filtered'] ?? 0;
  const seen = (name: string) => waitFor(() => published.has(name), wait(name));

  it('leave out a process by its name, and take it in again, while the sampler runs', async () => {
    burn('wanted');
    burn('unwanted');
    await configure({ defaults: { filters: { rules: [{ action: 'exclude', match: { process: ['unw*'] } }] } } });
    await start();
    await seen('wanted');
    await waitFor(() => filtered() > 50, wait('filtered samples'));
    expect(published).not.toContain('unwanted');
    // By its name alone no cgroup can be excluded: others run there.
    expect(filteredInKernel()).toBe(0);
    expect(collector.stats().state).toMatchObject({ configError: '', rung: 1, restarts: 0 });
    await configure({ defaults: { rateHz: 97 } });
    await seen('unwanted');
    const before = filtered();
    published.clear();
    await seen('unwanted');
    expect(filtered()).toBe(before);
  });

  it('do the same on rung 2', async () => {
    burn('wanted');
    burn('unwanted');
    const filters = {
      rules: [{ action: 'include' as const, match: { process: ['wanted'] } }],
      otherwise: 'exclude' as const,
    };
    await configure({ defaults: { filters } });
    await start({ rung: 2 });
    await seen('wanted');
    await waitFor(() => filtered() > 50, wait('filtered samples'));
    expect([...published]).toEqual(['wanted']);
  });

  describe.skipIf(!pods.available)(`with pods${pods.reason && ` (skipped: ${pods.reason})`}`, () => {
    it('leave out pods that opted out, and by cgroup, in the kernel; until that is taken back', async () => {
      const node = await openKubepods();
      const server = new FakeApiServer({ node: 'n1', token: 'secret' });
      const tokenFile = join(scratch.path, 'token');
      writeFileSync(tokenFile, 'secret');
      const put = ({ podUid: uid, containerId: id }: TestContainer, profile: string) => {
        const annotations = { 'perfleet.dev/profile': profile };
        server.put({ name: `pod-${uid}`, namespace: 'shop', uid, container: { name: 'app', id }, annotations });
      };
      try {
        const url = await server.start();
        const [quiet, open] = [await node.start('burstable'), await node.start('besteffort')];
        put(quiet, 'false');
        put(open, 'true');
        const podNames = createPodNames({ sources: [apiServerSource({ server: url, nodeName: 'n1', tokenFile })] });
        await start({ kubernetes: 'yes', podNames });
        await seen(open.executable);
        await waitFor(() => filteredInKernel() > 50, wait('samples filtered in the kernel'));
        expect(published).not.toContain(quiet.executable);
        put(quiet, 'true');
        await seen(quiet.executable);

        const rules = [{ action: 'exclude' as const, match: { cgroup: [`*/pod${open.podUid}/*`] } }];
        await configure({ defaults: { filters: { rules } } });
        await inForce(1);
        const before = filtered();
        await waitFor(() => filtered() > before, wait('samples filtered by cgroup'));
        // Windows that were taken before it was in force are through.
        published.clear();
        const kernel = filteredInKernel();
        await seen(quiet.executable);
        await waitFor(() => filtered() > before + 100, wait('more of them'));
        expect(published).not.toContain(open.executable);
        await configure({});
        await seen(open.executable);
        expect(filteredInKernel()).toBeGreaterThanOrEqual(kernel);
        expect(server.refused).toEqual([]);
      } finally {
        await collector.stop();
        await server.stop();
        await node.close();
      }
    });
  });
});
