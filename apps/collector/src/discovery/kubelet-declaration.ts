import { readFileSync } from 'node:fs';
import type { KubeletDeclaration } from '@perfleet/cgroup';

/** Where distributions keep the kubelet's configuration; the first that can be read counts. */
const FILES = [
  '/var/lib/kubelet/config.yaml',
  '/etc/kubernetes/kubelet/kubelet-config.json',
  '/etc/kubernetes/kubelet/config.json',
  '/etc/kubernetes/kubelet.conf',
  '/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf',
];
const MAX_CHARS = 256 << 10;

/** What the kubelet's file declares of cgroups, where it can be read; told to people and never computed with. */
export function kubeletDeclaration(files: readonly string[] = FILES): KubeletDeclaration | undefined {
  for (const file of files) {
    try {
      const found = parseKubeletConfig(readFileSync(file, 'utf8').slice(0, MAX_CHARS));
      if (found) return found;
    } catch {
      // Not there, or not for this user to read.
    }
  }
  return undefined;
}

/** A KubeletConfiguration in YAML or JSON. Only three plain values of its top level are looked at. */
export function parseKubeletConfig(text: string): KubeletDeclaration | undefined {
  if (!/\bKubeletConfiguration\b/.test(text)) return undefined;
  // A key of the top level stands at the start of a line in YAML; nested objects of JSON do not have these keys.
  const value = (key: string) =>
    new RegExp(`(?:^|[{,]\\s*)"?${key}"?[ \\t]*:[ \\t]*(?:"([^"\\n]*)"|'([^'\\n]*)'|([^\\s"',#}]+))`, 'm')
      .exec(text)
      ?.slice(1)
      .find((part) => part !== undefined);
  const perQos = value('cgroupsPerQOS');
  const [cgroupDriver, cgroupRoot] = [value('cgroupDriver'), value('cgroupRoot')];
  return {
    ...((perQos === 'true' || perQos === 'false') && { cgroupsPerQOS: perQos === 'true' }),
    ...(cgroupDriver && { cgroupDriver }),
    ...(cgroupRoot && { cgroupRoot }),
  };
}
