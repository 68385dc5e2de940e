import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '@perfleet/observability';
import { openEmbeddedStream, type Stream } from '@perfleet/stream';
import { openKubepods, requireKubepods, waitFor, type TestKubepods } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { ImageBuild } from '../deploy/image-build.ts';
import { bestRung } from '../support/perfleet.ts';
import { readPlaced } from '../support/placed-profiles.ts';
import { startPodContainer, type PodSpec } from '../support/pod-container.ts';
import { repository } from '../support/workloads.ts';

/* The collector's image in a container of the DaemonSet's rights, beside a pod: a manifest that grants too little shows here. */
const can = requireKubepods();
const rung = can.available ? bestRung() : 4;
const why = can.reason || (rung > 1 ? 'eBPF cannot be had here by anyone' : '');

describe.skipIf(why !== '')(`the DaemonSet of deploy/kubernetes${why && ` (skipped: ${why})`}`, () => {
  const directory = join(repository, '.cache/daemonset');
  const data = join(directory, 'data');
  let node: TestKubepods;
  let stream: Stream;
  let collector: ReturnType<typeof startPodContainer>;
  let log = '';

  beforeAll(async () => {
    const image = new ImageBuild(directory, 'deploy/images/Dockerfile', false).build('collector');
    mkdirSync(data, { recursive: true });
    const manifests = parseAllDocuments(readFileSync(join(repository, 'deploy/kubernetes/20-collector.yaml'), 'utf8'));
    const daemonSet = manifests.map((document) => document.toJS()).find(({ kind }) => kind === 'DaemonSet') as {
      spec: { template: { spec: PodSpec } };
    };
    node = await openKubepods();
    const env = {
      ...image.env,
      PATH: process.env['PATH']!,
      PERFLEET_NODE: 'n1',
      PERFLEET_WINDOW_SECONDS: '1',
    };
    const cgroup = '/kubepods/burstable/pod5b1c7c5e-0000-4000-8000-000000000000/collector';
    collector = startPodContainer(directory, daemonSet.spec.template.spec, image, cgroup, env, {
      '/var/lib/perfleet': data,
      '/var/log/containers': data,
    });
    for (const out of [collector.child.stdout!, collector.child.stderr!])
      out.on('data', (text) => (log += String(text)));
  });
  afterAll(async () => {
    collector?.stop();
    await stream?.close();
    await node?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('samples other pods by eBPF and knows their containers', async () => {
    const pod = await node.start('guaranteed');
    stream = await waitFor(
      () => openEmbeddedStream({ path: join(data, 'stream.db'), logger: createLogger('test', { level: 'fatal' }) }),
      { timeoutMs: 30_000, what: 'the stream' },
    );
    const place = `${pod.podUid}/${pod.containerId}`;
    const profiled = async () => (await readPlaced(stream)).places.get(pod.executable)?.has(place);
    await waitFor(profiled, { timeoutMs: 30_000, intervalMs: 300, what: `a profile of ${pod.cgroup}` }).catch(
      (cause) => {
        throw new Error(`the collector says:\n${log}`, { cause });
      },
    );
    expect(log).toMatch(/"rung":1,.*"reason":"",.*"sampler runs"/);
    expect(collector.child.exitCode).toBeNull();
  });
});
