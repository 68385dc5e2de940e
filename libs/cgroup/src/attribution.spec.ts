import { describe, expect, it } from 'vitest';
import { attributeProcess } from './attribute.ts';

const A = 'a1'.repeat(32);
const B = 'b2'.repeat(32);
const UID = '0a1b2c3d-0001-4000-8000-00000000000a';
const UNDER = UID.replaceAll('-', '_');
const HASH = '77fc5cdd638b0740081225a3b35a0037';

type Expected = [podUid: string | null, containerId: string | null, qos?: string | null];
const v1 = (path: string) => ['13:misc:/', `7:memory:${path}`, `3:cpu,cpuacct:${path}`, '1:name=systemd:/', '0::/init'];

/** Each in words, the lines of /proc/PID/cgroup, and what they must say. */
const PODS: Array<[string, string | string[], Expected]> = [
  ['kind in docker, v1', v1(`/docker/${B}/kubelet/kubepods/burstable/pod${UID}/${A}`), [UID, A, 'burstable']],
  [
    'kind in a pod: the outer pod',
    `/kubepods/pod${UID}/${A}/kubelet/kubepods/burstable/pod${HASH}/${B}`,
    [UID, A, 'guaranteed'],
  ],
  ['k3d', `/docker/${B}/kubepods/besteffort/pod${UID}/${A}`, [UID, A, 'besteffort']],
  ['k3s, a service', `/system.slice/k3s.service/kubepods/besteffort/pod${UID}/${A}`, [UID, A, 'besteffort']],
  ['k0s', `/system.slice/k0sworker.service/kubepods/burstable/pod${UID}/${A}`, [UID, A, 'burstable']],
  [
    'k3s, rootless',
    `/user.slice/user-1000.slice/user@1000.service/k3s-rootless.service/kubepods/pod${UID}/${A}`,
    [UID, A, 'guaranteed'],
  ],
  [
    'kind, podman driver',
    `/machine.slice/libpod-${B}.scope/container/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod${UNDER}.slice/cri-containerd-${A}.scope`,
    [UID, A, 'besteffort'],
  ],
  ['MicroK8s in LXD', `/lxc.payload.juju-1-lxd-0/kubepods/besteffort/pod${UID}/${A}`, [UID, A, 'besteffort']],
  ['docker in a pod', `/kubepods/burstable/pod${UID}/${A}/docker/${B}`, [UID, A, 'burstable']],
  [
    'minikube, podman driver',
    `/machine.slice/libpod-${B}.scope/container/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${UNDER}.slice/docker-${A}.scope`,
    [UID, A, 'guaranteed'],
  ],
  [
    'in LXC',
    `/lxc.payload.k8s/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UNDER}.slice/crio-${A}.scope`,
    [UID, A, 'burstable'],
  ],
  [
    'in a nspawn machine',
    `/machine.slice/systemd-nspawn@k8s.service/payload/kubepods/pod${UID}/${A}`,
    [UID, A, 'guaranteed'],
  ],
  [
    'a cgroup root of two dashes',
    `/my.slice/my-own.slice/my-own-kubepods.slice/my-own-kubepods-burstable.slice/my-own-kubepods-burstable-pod${UNDER}.slice/cri-containerd-${A}.scope`,
    [UID, A, 'burstable'],
  ],
  ['a cgroup root called kubepods', `/kubepods/kubepods/burstable/pod${UID}/${A}`, [UID, A, 'burstable']],
  [
    'static pod, slice',
    `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${HASH}.slice/cri-containerd-${A}.scope`,
    [HASH, A, 'burstable'],
  ],
  [
    'UID of a manifest, slice',
    `/kubepods.slice/kubepods-pod00000000_my_pod.slice/crio-${A}.scope`,
    ['00000000-my-pod', A, 'guaranteed'],
  ],
  ['UID of a manifest that reads like a class', `/kubepods/podburstable/${A}`, ['burstable', A, 'guaranteed']],
  ['UID of a manifest with digits only', `/kubepods/burstable/pod42/${A}`, ['42', A, 'burstable']],
  [
    'OpenShift: container in the scope',
    `/kubepods.slice/kubepods-pod${UNDER}.slice/crio-${A}.scope/container`,
    [UID, A, 'guaranteed'],
  ],
  [
    'OpenShift: systemd in the container',
    `/kubepods.slice/kubepods-pod${UNDER}.slice/crio-${A}.scope/system.slice/docker-${B}.scope`,
    [UID, A, 'guaranteed'],
  ],
  [
    'encoded twice, colon form',
    `/system.slice/kubepods_besteffort_pod${UNDER}.slice.slice:crio:${A}`,
    [UID, A, 'besteffort'],
  ],
  [
    'colon form, v1',
    v1(`/system.slice/containerd.service/kubepods-burstable-pod${UNDER}.slice:cri-containerd:${A}`),
    [UID, A, 'burstable'],
  ],
  [
    'colon form, custom root, deeper',
    `/system.slice/x-kubepods-pod${UNDER}.slice:docker:${A}/init.scope`,
    [UID, A, 'guaranteed'],
  ],
  ['colon form of a conmon', `/system.slice/kubepods-pod${UNDER}.slice:crio-conmon:${A}`, [UID, null, 'guaranteed']],
  ['Kata sandbox', `/kubepods/burstable/pod${UID}/kata_${A}`, [UID, A, 'burstable']],
  ['Kata, slices', `/kubepods.slice/kubepods-pod${UNDER}.slice/kata-${A}.scope`, [UID, A, 'guaranteed']],
  [
    'Kata, colon form',
    `/system.slice/kubepods-burstable-pod${UNDER}.slice:cri-containerd:kata_${A}`,
    [UID, A, 'burstable'],
  ],
  [
    'gVisor, slices',
    `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UNDER}.slice/cri-containerd-${A}.scope/runsc`,
    [UID, A, 'burstable'],
  ],
  ['Kata overhead', `/kubepods/burstable/pod${UID}/kata_overhead/${A}`, [UID, null, 'burstable']],
  ['gVisor', `/kubepods/besteffort/pod${UID}/${A}`, [UID, A, 'besteffort']],
  ['a shim of the runtime in the pod', `/kubepods/burstable/pod${UID}/containerd-shim`, [UID, null, 'burstable']],
  ['the pod alone', `/kubepods/pod${UID}`, [UID, null, 'guaranteed']],
  [
    'a slice with the dashes of its UID',
    `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID}.slice/crio-${A}.scope`,
    [UID, A, 'burstable'],
  ],
  ['deleted', `/kubepods/pod${UID}/${A} (deleted)`, [UID, A, 'guaranteed']],
  ['deleted pod', `/kubepods/pod${UID} (deleted)`, [UID, null, 'guaranteed']],
  ['namespace: another pod, class hidden', `/../../pod${UID}/${A}`, [UID, A, null]],
  ['namespace: another class', `/../../../burstable/pod${UID}/${A}`, [UID, A, 'burstable']],
  ['namespace: guaranteed beside the class', `/../../../pod${HASH}/crio-${A}`, [HASH, A, null]],
  ['namespace: from kubepods up', `/../../kubepods/pod${UID}/${A}`, [UID, A, 'guaranteed']],
  ['namespace: class directory is its root', `/burstable/pod${UID}/${A}`, [UID, A, 'burstable']],
  ['namespace: slice', `/../kubepods-pod${UNDER}.slice/crio-${A}.scope`, [UID, A, 'guaranteed']],
  ['namespace: colon form', `/../kubepods-burstable-pod${UNDER}.slice:cri-containerd:${A}`, [UID, A, 'burstable']],
  [
    'hybrid: v2 says the runtime',
    ['2:pids:/', `5:devices:/kubepods/pod${UID}/${A}`, '0::/system.slice/containerd.service'],
    [UID, A, 'guaranteed'],
  ],
  [
    'a container in one line, a pod in another',
    [`4:cpu:/docker/${B}`, `3:memory:/kubepods/burstable/pod${UID}/${A}`],
    [UID, A, 'burstable'],
  ],
  [
    'the pod in one line, its container in another',
    [`4:cpu:/kubepods/burstable/pod${UID}`, `3:memory:/kubepods/burstable/pod${UID}/${A}`],
    [UID, A, 'burstable'],
  ],
  ['colons in a name below', `/kubepods/pod${UID}/${A}/a:b:c`, [UID, A, 'guaranteed']],
];

const CONTAINERS: Array<[string, string | string[], string | null]> = [
  ['docker', `/docker/${A}`, A],
  ['docker, escaped by systemd', `/system.slice/docker\\x2d${A}.scope`, A],
  ['docker in docker: the outer', `/docker/${A}/docker/${B}`, A],
  ['docker, custom parent', `/my/parent/${A}`, A],
  ['containerd namespace', `/default/${A}`, A],
  ['ECS on EC2', v1(`/ecs/${HASH}/${A}`), A],
  ['ECS on EC2, v2', `/ecstasks.slice/ecstasks-${HASH}.slice/docker-${A}.scope`, A],
  ['Fargate', `/ecs/${HASH}/${HASH}-1234567890`, `${HASH}-1234567890`],
  ['Fargate, the task alone', `/ecs/${HASH}`, null],
  ['podman pod', `/machine.slice/machine-libpod_pod_${B}.slice/libpod-${A}.scope/container`, A],
  ['podman pod itself', `/machine.slice/machine-libpod_pod_${B}.slice`, null],
  ['podman pod, cgroupfs', `/libpod_parent/${B}/libpod-${A}`, A],
  ['podman pod itself, cgroupfs', `/libpod_parent/${B}`, null],
  [
    'podman rootless pod',
    `/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_${B}.slice/libpod-${A}.scope`,
    A,
  ],
  ['quadlet', `/system.slice/web.service/libpod-payload-${A}/x`, A],
  ['quadlet, conmon', `/system.slice/web.service/runtime`, null],
  ['conmon', `/machine.slice/libpod-conmon-${A}.scope`, null],
  ['conmon, and whatever is below', `/machine.slice/libpod-conmon-${A}.scope/${B}`, null],
  ['conmon in a unit of podman generate systemd', `/system.slice/container-${A}.service`, null],
  ['health check of podman', `/system.slice/${A}-5f0e.service`, null],
  ['timer', `/system.slice/${A}.timer`, null],
  ['mount', `/system.slice/var-lib-containers-storage-overlay-${A}-merged.mount`, null],
  [
    'Nomad',
    '/nomad.slice/share.slice/5f2d9f0e-1b2c-4d3e-8a9b-0c1d2e3f4a5b.web-api.scope',
    '5f2d9f0e-1b2c-4d3e-8a9b-0c1d2e3f4a5b.web-api',
  ],
  ['Nomad with docker', `/nomad.slice/docker-${A}.scope`, A],
  ['garden', v1('/garden/6f0b1c2d-3e4f-5a6b-7c8d-9e0f'), '6f0b1c2d-3e4f-5a6b-7c8d-9e0f'],
  ['docker in a Proxmox container: the outer', `/lxc/100/ns/docker/${A}`, '100'],
  ['virtual machine of libvirt', '/machine.slice/machine-qemu\\x2d2\\x2dweb.scope/libvirt/emulator', 'qemu-2-web'],
  ['rootless docker', `/user.slice/user-1000.slice/user@1000.service/app.slice/docker-${A}.scope`, A],
  ['balena', `/system.slice/balena-${A}.scope`, A],
  ['colon form under docker', v1(`/docker/system.slice:docker:${A}`), A],
  ['host container of Bottlerocket', '/system.slice/host-containers@admin.service', null],
  ['seen from a namespace', `/../cri-containerd-${A}.scope`, A],
  ['shims of k3s', '/system.slice/k3s.service', null],
  ['LXC', '/lxc/web/system.slice/nginx.service', 'web'],
  ['LXD project', '/lxc.payload.prod_web/init.scope', 'prod_web'],
  ['LXC in LXC: the outer', '/lxc.payload.outer/lxc.payload.inner', 'outer'],
  ['LXC monitor', '/lxc.monitor.web', null],
  ['docker in LXC: the outer', `/lxc.payload.outer/docker/${A}`, 'outer'],
  ['nspawn, escaped', '/machine.slice/systemd-nspawn@my\\x2dweb.service/payload', 'my-web'],
  ['machine, escaped letters outside ASCII', '/machine.slice/machine-caf\\xc3\\xa9.scope', 'café'],
  ['machine', '/machine.slice/machine-rkt\\x2d1.scope/system.slice', 'rkt-1'],
  ['colon form without a pod', v1(`/system.slice/containerd.service/system.slice:cri-containerd:${A}`), A],
  ['32 hex digits alone', `/x/${HASH}`, null],
  ['63 and 65 hex digits', `/x/${A.slice(1)}/${A}0`, null],
  ['a user session', '/user.slice/user-1000.slice/session-3.scope', null],
  ['Talos', '/podruntime/kubelet', null],
  ['Talos, shims', '/podruntime/runtime', null],
  ['shims', '/system.slice/containerd.service', null],
];

const linesOf = (lines: string | string[]) => (typeof lines === 'string' ? [`0::${lines}`] : lines);

describe('processes of layouts outside the corpus', () => {
  it.each(PODS)('%s', (_, lines, [podUid, containerId, qos]) => {
    expect(attributeProcess(linesOf(lines))).toMatchObject({ podUid, containerId, qos });
  });

  it.each(CONTAINERS)('no pod: %s', (_, lines, containerId) => {
    expect(attributeProcess(linesOf(lines))).toMatchObject({ podUid: null, containerId, qos: null });
  });

  it('tells the runtime own processes from containers', () => {
    const infra = (path: string) => attributeProcess([`0::${path}`]).infra;
    for (const path of [
      '/system.slice/containerd.service',
      '/podruntime/runtime',
      `/machine.slice/libpod-conmon-${A}.scope`,
      `/kubepods/pod${UID}/crio-conmon-${A}`,
      `/kubepods/pod${UID}/containerd-shim`,
      '/lxc.monitor.web',
    ])
      expect(infra(path), path).toBe(true);
    for (const path of ['/', '/system.slice/kubelet.service', `/docker/${A}`, `/kubepods/pod${UID}`])
      expect(infra(path), path).toBe(false);
  });
});
