import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSqliteNodeState } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { FakeApiServer, type FakePod } from '@perfleet/pods/testing';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import {
  openKubepods,
  requireKubepods,
  tempDir,
  waitFor,
  type CgroupLayout,
  type TestContainer,
} from '@perfleet/testing';
import { describe, expect, it } from 'vitest';
import { bestRung, startPerfleet } from '../support/perfleet.ts';
import { readPlaced } from '../support/placed-profiles.ts';

const can = requireKubepods();
const rung = can.available ? bestRung() : 4;
const why = can.reason || (rung > 2 ? 'the sampler sees no other processes here' : '');

/** A collector of node `n1` that asks this API server, whose token is `secret`. */
function startCollector(dir: string, rateHz: number, apiServer: string, wrapper: readonly string[]) {
  const token = join(dir, 'token');
  writeFileSync(token, 'secret');
  const env = {
    PERFLEET_WINDOW_SECONDS: '1',
    PERFLEET_KUBERNETES: 'yes',
    PERFLEET_API_SERVER_URL: apiServer,
    PERFLEET_KUBERNETES_TOKEN_FILE: token,
  };
  return startPerfleet(['collector', '--data', dir, '--rate', `${rateHz}`, '--node', 'n1'], env, 60_000, wrapper);
}

/** What it publishes. */
const openLog = (dir: string) =>
  openEmbeddedStream({ path: join(dir, 'stream.db'), logger: createLogger('test', { level: 'fatal' }) });

describe.skipIf(why !== '')(`profiles of real pods${why && ` (skipped: ${why})`}`, () => {
  it.each(['host', 'v2'] satisfies CgroupLayout[])(
    'carry pod and container, whatever happens to the tree meanwhile (cgroups: %s)',
    async (layout) => {
      const dir = tempDir();
      const node = await openKubepods(layout);
      const api = new FakeApiServer({ node: 'n1', token: 'secret' });
      const tellNames = ({ podUid: uid, containerId: id, executable }: TestContainer) =>
        api.put({ uid, namespace: 'shop', name: `pod-${executable}`, container: { name: 'app', id } });
      let stream: Stream | undefined;
      let stop: (() => Promise<unknown>) | undefined;
      try {
        const collector = await startCollector(dir.path, 49, await api.start(), node.wrapper);
        stop = () => collector.stop();
        const log = (stream = await openLog(dir.path));
        const profiled = (container: TestContainer) =>
          waitFor(async () => (await readPlaced(log)).places.has(container.executable), {
            ...{ timeoutMs: 30_000, intervalMs: 300 },
            what: `a profile of ${container.cgroup}`,
          });

        // The API server tells of a pod and its container a moment after it was scheduled: after its first sample, maybe its first window.
        api.lagMs = 500;
        // An empty node gets its first pod, a Guaranteed one: there is no directory for its class, and never will be.
        const first = await node.start('guaranteed', 0, tellNames);
        await profiled(first);
        // A pod that is gone before its only window ends.
        const short = await node.start('besteffort', 0.4, tellNames);
        await profiled(short);
        await node.remove(short);
        api.delete(short.podUid);
        // From here on the API server hangs: new pods are told by their UIDs, the others keep their names.
        api.trouble = 'hangs';
        api.endWatches('resets');
        const unnamed: TestContainer[] = [];
        // Class directories that go and come back.
        for (let round = 0; round < 2; round++) {
          const burstable = await node.start('burstable');
          await profiled(burstable);
          await node.remove(burstable);
          node.removeDirectory('/kubepods/burstable');
          unnamed.push(burstable);
        }
        await node.remove(first);

        expect(collector.child.exitCode).toBeNull();
        const { code } = await collector.stop();
        expect(code, collector.log()).toBe(0);
        const { places, modeEvents } = await readPlaced(log);
        const placesOf = ({ executable }: TestContainer) => [...(places.get(executable) ?? [])];
        const ids = ({ podUid, containerId }: TestContainer) => `${podUid}/${containerId}`;
        for (const each of [first, short])
          expect(placesOf(each)).toEqual([`${ids(each)}/shop/pod-${each.executable}/app`]);
        for (const each of unnamed) expect(placesOf(each)).toEqual([ids(each)]);
        expect(api.refused).toEqual([]);
        expect(modeEvents).toEqual(['pods']);
        expect(collector.log().match(/mode whole-system -> pods/g)).toHaveLength(1);
        expect(collector.log()).toContain('doctor: ');
      } finally {
        await stop?.();
        await stream?.close();
        await node.close();
        await api.stop();
        dir.remove();
      }
    },
  );

  it('are left out by namespace, label, container and annotation, and only those', async () => {
    const dir = tempDir();
    const node = await openKubepods('host');
    const api = new FakeApiServer({ node: 'n1', token: 'secret' });
    const exclude = (match: object) => ({ action: 'exclude', match });
    const rules = [
      exclude({ namespace: ['secret*'] }),
      exclude({ podLabels: { team: ['payments'] } }),
      exclude({ container: ['proxy'] }),
    ];
    const kinds: Record<string, Partial<Omit<FakePod, 'container'>> & { container?: string }> = {
      kept: {},
      ofNamespace: { namespace: 'secret-7' },
      ofLabel: { labels: { team: 'payments' } },
      ofContainer: { container: 'proxy' },
      optedOut: { annotations: { 'perfleet.dev/profile': 'false' } },
    };
    const nodeState = openSqliteNodeState({ path: join(dir.path, 'node-state.db') });
    let stream: Stream | undefined;
    let stop: (() => Promise<unknown>) | undefined;
    try {
      await nodeState.config.set({ defaults: { filters: { rules } } });
      const collector = await startCollector(dir.path, 99, await api.start(), node.wrapper);
      stop = () => collector.stop();
      const log = (stream = await openLog(dir.path));
      const started = new Map<string, TestContainer>();
      for (const [kind, { container = 'app', ...pod }] of Object.entries(kinds))
        started.set(
          kind,
          await node.start('burstable', 0, ({ podUid: uid, containerId: id, executable }) =>
            api.put({ uid, namespace: 'shop', name: executable, container: { name: container, id }, ...pod }),
          ),
        );
      // The last one that is kept tells that windows went by in which the others ran, too.
      const last = await node.start('burstable', 0, ({ podUid: uid, containerId: id, executable }) =>
        api.put({ uid, namespace: 'shop', name: executable, container: { name: 'app', id } }),
      );
      await waitFor(async () => (await readPlaced(log)).places.has(last.executable), {
        ...{ timeoutMs: 30_000, intervalMs: 300 },
        what: 'a profile of what was started last',
      });
      const filtered = async () => (await nodeState.get('n1'))?.state.lost['filtered'] ?? 0;
      await waitFor(async () => (await filtered()) > 20, { timeoutMs: 30_000, what: 'the count of what was left out' });
      await collector.stop();
      const { places } = await readPlaced(log);
      expect([...started].filter(([, { executable }]) => places.has(executable)).map(([kind]) => kind)).toEqual([
        'kept',
      ]);
    } finally {
      await stop?.();
      await stream?.close();
      await nodeState.close();
      await node.close();
      await api.stop();
      dir.remove();
    }
  });
});
