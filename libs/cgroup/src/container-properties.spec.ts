import { describe, expect, it } from 'vitest';
import { attributeProcess } from './attribute.ts';
import { random, uuid, type Random } from './random.fixture.ts';

const RUNS = 3000;

/** A container's own segments, as some runtime names them, and the id that they say. */
function container(r: Random): { path: string; id: string } {
  const [id, hash, name] = [r.hex(64), r.hex(32), `web-${r.hex(4)}`];
  const of = (path: string, said = id) => ({ path, id: said });
  return r.pick([
    of(`/docker/${id}`),
    of(`/system.slice/docker-${id}.scope`),
    of(`/machine.slice/libpod-${id}.scope/container`),
    of(`/machine.slice/machine-libpod_pod_${r.hex(64)}.slice/libpod-${id}.scope`),
    of(`/libpod_parent/${r.hex(64)}/libpod-${id}`),
    of(`/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope`),
    of(`/system.slice/web.service/libpod-payload-${id}`),
    of(`/ecs/${hash}/${id}`),
    of(`/ecs/${hash}/${hash}-1234567890`, `${hash}-1234567890`),
    of(`/ecstasks.slice/ecstasks-${hash}.slice/docker-${id}.scope`),
    of(`/lxc/${name}`, name),
    of(`/lxc.payload.${name}`, name),
    of(`/machine.slice/systemd-nspawn@${name.replace('-', '\\x2d')}.service`, name),
    of(`/machine.slice/machine-${name.replace('-', '\\x2d')}.scope`, name),
    ...[uuid(r)].map((task) => of(`/nomad.slice/share.slice/${task}.web.scope`, `${task}.web`)),
    of(`/garden/${name}`, name),
    of(`/some/parent/rt${r.int(99)}-${id}.scope`),
    of(`/${r.pick(['default', 'moby', 'k8s.io'])}/${id}`),
  ]);
}

/** Paths of what serves containers and is none, with their id in the name. */
function helper(r: Random): string {
  const id = r.hex(64);
  return r.pick([
    `/crio-conmon-${id}`,
    `/crio-conmon-${id}.scope`,
    `/libpod-conmon-${id}.scope`,
    `/libpod-conmon-${id}.scope/${r.hex(64)}`,
    `/var-lib-docker-overlay2-${id}-merged.mount`,
    `/run-containerd-io.containerd.runtime.v2.task-k8s.io-${id}-rootfs.mount`,
    `/container-${id}.service`,
    `/pod-${id}.service`,
    `/${id}.timer`,
    `/${id}-${r.hex(4)}.service`,
    `/machine-libpod_pod_${id}.slice`,
    '/containerd.service',
    '/docker.service',
    '/crio.service',
    '/k3s.service',
    '/lxc.monitor.web',
  ]);
}

const above = (r: Random) =>
  r.pick([
    '',
    '/system.slice',
    '/user.slice/user-1000.slice/user@1000.service/app.slice',
    '/../../system.slice',
    '/..',
  ]);

describe('containers outside pods', () => {
  it('are the outermost ones, whatever runs inside them', () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const r = random(seed);
      const { path, id } = container(r);
      const inside = r.pick(['', '/init.scope', '/system.slice/x.service', container(r).path, helper(r)]);
      const line = `0::${r.pick(['', '/..', '/../..'])}${path}${inside}${r.chance(0.2) ? ' (deleted)' : ''}`;
      const { podUid, containerId, qos } = attributeProcess([line]);
      expect({ podUid, containerId, qos }, `seed ${seed}: ${line}`).toEqual({
        podUid: null,
        containerId: id,
        qos: null,
      });
    }
  });

  it('hold pods when a kubelet runs in them, and then the pod is the answer', () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const r = random(seed);
      const [uid, id] = [uuid(r), r.hex(64)];
      const line = `0::${container(r).path}/kubelet/kubepods/burstable/pod${uid}/${id}`;
      expect(attributeProcess([line]), `seed ${seed}: ${line}`).toMatchObject({
        ...{ podUid: uid, containerId: id, qos: 'burstable' },
      });
    }
  });
});

describe('helpers of runtimes', () => {
  it('are never taken for a container, outside of pods and beside a container in one', () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const r = random(seed);
      const outside = `0::${above(r)}${helper(r)}`;
      expect(attributeProcess([outside]), `seed ${seed}: ${outside}`).toMatchObject({
        podUid: null,
        containerId: null,
      });
      const uid = uuid(r);
      const conmon = r.pick([
        `crio-conmon-${r.hex(64)}`,
        `crio-conmon-${r.hex(64)}.scope`,
        `x-${r.hex(64)}-merged.mount`,
      ]);
      const within = `0::/kubepods/pod${uid}/${conmon}`;
      expect(attributeProcess([within]), within).toMatchObject({ podUid: uid, containerId: null, qos: 'guaranteed' });
    }
  });
});
