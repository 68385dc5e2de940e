import { replay } from '@perfleet/cgroup';
import { describe, expect, it } from 'vitest';
import { parseKubeletConfig } from './kubelet-declaration.ts';
import { shareableCapture } from './shareable-capture.ts';

const id = 'b9f4f108deb76e8218fdbcf6f44a8194fd65ed9e11e9d248ac1cbec9974cab85';
const capture = {
  name: 'this node',
  mountinfo: ['30 23 0:26 / /mnt/shop-7/cg rw - cgroup2 cgroup2 rw'],
  mountpointInodes: { '/mnt/shop-7/cg': 1 },
  directories: ['/mnt/shop-7/cg', `/mnt/shop-7/cg/docker/${id}`, '/mnt/shop-7/cg/shop-70.slice'],
  unreadable: [{ path: '/mnt/shop-7/cg/shop-7.example.slice', errno: 'EACCES' }],
  selfProcCgroup: ['0::/machine-shop-7.example.slice'],
  processes: [
    { name: 'kubelet', procCgroup: ['0::/system.slice/kubelet.service'] },
    { name: 'acme-payroll', procCgroup: [`0::/docker/${id}`] },
  ],
};

describe('a capture for a bug report', () => {
  const shared = shareableCapture(capture, 'shop-7.example');

  it('names neither the host nor whose programs run there', () => {
    const text = JSON.stringify(shared);
    expect(text).not.toMatch(/shop-7\b|acme|payroll/);
    expect(shared.directories).toContain('/mnt/host/cg/shop-70.slice');
    expect(shared.processes.map(({ name }) => name)).toEqual(['kubelet', 'process 2']);
  });

  it('leaves the words of the layout alone, whatever the host is called', () => {
    const { directories } = shareableCapture(capture, 'docker');
    expect(directories).toContain(`/mnt/shop-7/cg/docker/${id}`);
  });

  it('replays to the same answer', () => {
    const { name: _, processes, ...answer } = replay(capture);
    const again = replay(shared);
    expect(again).toMatchObject({ ...answer, reason: answer.reason.replaceAll('shop-7', 'host') });
    expect(again.processes.map(({ containerId }) => containerId)).toEqual(
      processes.map(({ containerId }) => containerId),
    );
  });
});

describe('what the kubelet declares', () => {
  it('is read from YAML and from JSON', () => {
    const yaml =
      'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncgroupDriver: systemd\ncgroupsPerQOS: true\ncgroupRoot: "/a" # x\n';
    const declared = { cgroupDriver: 'systemd', cgroupsPerQOS: true, cgroupRoot: '/a' };
    expect(parseKubeletConfig(yaml)).toEqual(declared);
    expect(parseKubeletConfig(JSON.stringify({ kind: 'KubeletConfiguration', ...declared }, null, 2))).toEqual(
      declared,
    );
    expect(parseKubeletConfig(JSON.stringify({ kind: 'KubeletConfiguration', ...declared }))).toEqual(declared);
  });

  it('is nothing where the file is another one, and what it does not say stays unsaid', () => {
    expect(parseKubeletConfig('kind: Config\ncgroupDriver: systemd')).toBeUndefined();
    expect(parseKubeletConfig('kind: KubeletConfiguration\n#cgroupDriver: systemd\nx:\n  cgroupRoot: /b\n')).toEqual(
      {},
    );
  });
});
