import { describe, expect, it } from 'vitest';
import { parseLogFileName } from './log-files.ts';
import type { PodRecord } from './model.ts';
import { parsePodList } from './pod-list.ts';
import { createPodNames } from './pod-names.ts';

const ID = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);
const web: PodRecord = {
  uids: ['u1'],
  namespace: 'shop',
  pod: 'web-1',
  service: 'web',
  containers: [{ id: ID, name: 'app' }],
};

describe('parseLogFileName', () => {
  it('takes the container from the left of the last id', () => {
    expect(parseLogFileName(`web-6f7_shop_side-car-${ID}.log`)).toEqual({
      pod: 'web-6f7',
      namespace: 'shop',
      container: 'side-car',
      containerId: ID,
    });
    for (const name of ['', 'x.log', `web_shop_app-${ID}`, `web_app-${ID}.log`, `web_shop_app-${ID.slice(1)}.log`]) {
      expect(parseLogFileName(name)).toBeNull();
    }
  });
});

describe('parsePodList', () => {
  const pod = (metadata: object, status: object = {}) => ({
    items: [{ metadata: { name: 'p', namespace: 'n', uid: 'u', ...metadata }, status }],
  });
  const serviceOf = (metadata: object) => parsePodList(pod(metadata))[0]?.service;

  it('names the service by annotation, else by the owner workload', () => {
    const replicaSet = { kind: 'ReplicaSet', name: 'cart-v2-6f7c9', controller: true };
    const labels = { 'pod-template-hash': '6f7c9' };
    expect(serviceOf({ labels, ownerReferences: [replicaSet] })).toBe('cart-v2');
    expect(serviceOf({ annotations: { 'perfleet.io/service': 'checkout' }, ownerReferences: [replicaSet] })).toBe(
      'checkout',
    );
    expect(serviceOf({ ownerReferences: [{ kind: 'StatefulSet', name: 'db-0' }] })).toBe('db-0');
    expect(serviceOf({ ownerReferences: [{ kind: 'Job', name: 'report-29384750' }] })).toBe('report');
    expect(serviceOf({ ownerReferences: [{ kind: 'Node', name: 'node-1' }] })).toBeUndefined();
    expect(serviceOf({})).toBeUndefined();
  });

  it('knows a static pod by the UID in its cgroups', () => {
    expect(parsePodList(pod({ annotations: { 'kubernetes.io/config.hash': 'abc' } }))[0]?.uids).toEqual(['u', 'abc']);
  });

  it('lists containers of every kind, and none without an id', () => {
    const status = {
      containerStatuses: [
        { name: 'app', containerID: `containerd://${ID}` },
        { name: 'waiting', containerID: '' },
      ],
      initContainerStatuses: [{ name: 'init', containerID: `cri-o://${OTHER}` }],
    };
    expect(parsePodList(pod({}, status))[0]?.containers).toEqual([
      { name: 'app', id: ID },
      { name: 'init', id: OTHER },
    ]);
  });

  it('keeps labels, and of the annotations those that are meant for it', () => {
    const labels = { app: 'web', __proto__: 'x', n: 7 };
    const annotations = {
      'perfleet.dev/profile': 'false',
      'kubectl.kubernetes.io/last-applied-configuration': 'x'.repeat(100_000),
    };
    const [record] = parsePodList(pod({ labels, annotations }));
    expect(record).toMatchObject({ labels: { app: 'web' }, annotations: { 'perfleet.dev/profile': 'false' } });
    expect(Object.keys(record!.annotations!)).toHaveLength(1);
    expect(Object.keys(record!.labels!)).toEqual(['app']);
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`l${i}`, 'v'.repeat(5000)]));
    expect(JSON.stringify(parsePodList(pod({ labels: many }))).length).toBeLessThan(200_000);
    expect(parsePodList(pod({}))[0]).toMatchObject({ labels: {}, annotations: {} });
  });

  it('survives what is no list', () => {
    for (const body of [null, 1, [], {}, { items: 7 }, { items: [null, 3, {}, { metadata: [] }] }]) {
      expect(parsePodList(body)).toEqual([]);
    }
  });
});

describe('createPodNames', () => {
  it('prefers the first source and fills in from the next', async () => {
    const names = createPodNames({
      sources: [
        { name: 'a', list: async () => [{ ...web, containers: [] }] },
        { name: 'b', list: async () => [{ ...web, pod: 'old name', containers: [{ id: ID, name: 'app' }] }] },
      ],
    });
    await names.start();
    expect(names.lookup('u1', ID)).toEqual({ namespace: 'shop', pod: 'web-1', service: 'web', container: 'app' });
    expect(names.lookup('u1', null)).toEqual({ namespace: 'shop', pod: 'web-1', service: 'web' });
    expect(names.lookup('u2', OTHER)).toBeUndefined();
    names.stop();
  });

  it('knows labels from whichever source reads them, and asks for them again when a name came without', async () => {
    let asked = 0;
    const labels = { app: 'web' };
    const names = createPodNames({
      sources: [
        { name: 'a', list: async () => [web] },
        {
          name: 'b',
          readsLabels: true,
          list: async () => (asked++ === 0 ? [] : [{ ...web, labels, annotations: {} }]),
        },
      ],
      minMs: 0,
    });
    await names.start();
    expect(names.lookup('u1', ID)).not.toHaveProperty('labels');
    await expect.poll(() => names.lookup('u1', ID)).toMatchObject({ container: 'app', labels, annotations: {} });
    expect(names.status().map(({ readsLabels = false }) => readsLabels)).toEqual([false, true]);
    names.stop();
  });

  it('keeps the last answer of a source that is lost, and says so', async () => {
    let lost = false;
    const list = async () => {
      if (lost) throw new Error('connection refused');
      return [web];
    };
    const names = createPodNames({ sources: [{ name: 'api-server', list }], now: () => 1000 });
    await names.start();
    expect(names.status()).toEqual([{ source: 'api-server', ok: true, error: '', answeredAt: 1000, pods: 1 }]);
    lost = true;
    await names.start();
    expect(names.status()).toMatchObject([{ ok: false, error: 'connection refused', answeredAt: 1000, pods: 1 }]);
    expect(names.lookup('u1', ID)?.container).toBe('app');
    names.stop();
  });

  it('does not wait for a source that never answers', async () => {
    const silent = { name: 'silent', list: () => new Promise<never>(() => undefined) };
    const names = createPodNames({ sources: [silent, { name: 'b', list: async () => [web] }], timeoutMs: 20 });
    await names.start();
    expect(names.status().map(({ ok }) => ok)).toEqual([false, true]);
    expect(names.lookup(null, ID)?.pod).toBe('web-1');
    names.stop();
  });

  it('asks again for a container it does not know', async () => {
    let asked = 0;
    const list = async () => (asked++ === 0 ? [] : [web]);
    const names = createPodNames({ sources: [{ name: 'a', list }], minMs: 0 });
    await names.start();
    expect(names.lookup('u1', ID)).toBeUndefined();
    await expect.poll(() => names.lookup('u1', ID)?.container).toBe('app');
    names.stop();
  });
});
