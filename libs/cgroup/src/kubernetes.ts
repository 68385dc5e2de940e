import type { DiscoveryMode, KubeletDeclaration } from './model.ts';
import { segmentsOf } from './paths.ts';
import type { CapturedProcess } from './process-paths.ts';

const KUBELET_SEGMENT =
  /^(?:(?:snap\.)?(?:kubelet|k3s|k3s-agent|rke2-server|rke2-agent|k0sworker|k0scontroller)(?:\..*)?\.service|kubelet)$/;

/** True when some process runs where a kubelet does. */
export function findKubernetes(processes: readonly CapturedProcess[]): boolean {
  return processes.some(({ lines }) =>
    lines.some(({ path }) => segmentsOf(path).some((segment) => KUBELET_SEGMENT.test(segment))),
  );
}

/** Where the kubelet's declaration and the node differ, each in a few words: told to people, never computed with. */
export function kubeletMismatches(
  kubelet: KubeletDeclaration | undefined,
  podRoots: readonly string[],
  mode: DiscoveryMode,
): string[] {
  if (!kubelet) return [];
  const notes: string[] = [];
  const names = podRoots.map((root) => root.split('/').pop()!).filter((name) => name.includes('kubepods'));
  if (kubelet.cgroupsPerQOS === true && mode !== 'pods') notes.push('the kubelet declares cgroupsPerQOS: true');
  if (kubelet.cgroupsPerQOS === false && names.length > 0) notes.push('the kubelet declares cgroupsPerQOS: false');
  const slices = names.some((name) => name.endsWith('.slice'));
  if (kubelet.cgroupDriver === 'systemd' && names.length > 0 && !slices) {
    notes.push('the kubelet declares cgroupDriver: systemd, and its directories are no slices');
  }
  if (kubelet.cgroupDriver === 'cgroupfs' && names.length > 0 && names.every((name) => name.endsWith('.slice'))) {
    notes.push('the kubelet declares cgroupDriver: cgroupfs, and its directories are slices');
  }
  const wanted = segmentsOf(typeof kubelet.cgroupRoot === 'string' ? kubelet.cgroupRoot : '').pop();
  if (wanted && podRoots.length > 0 && !podRoots.some((root) => root.includes(wanted))) {
    notes.push(`the kubelet declares cgroupRoot: ${kubelet.cgroupRoot}`);
  }
  return notes;
}
