import { readdirSync, readFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

/** Processes that are a kubelet or contain one. */
const KUBELETS = new Set([
  'kubelet',
  'k3s',
  'k3s-agent',
  'k3s-server',
  'k0s',
  'rke2',
  'microk8s',
  'kubelite',
  'hyperkube',
]);

const FILES = [
  '/var/run/secrets/kubernetes.io/serviceaccount/token',
  '/var/lib/kubelet/config.yaml',
  '/etc/kubernetes/kubelet.conf',
  '/etc/kubernetes/kubelet/kubelet-config.json',
];

const MAX_PROCESSES = 32_768;
const TURN = 200;

/** Why this node should have pods, each in a few words; empty = nothing says so. Never rejects. */
export async function kubernetesEvidence(
  options: { procDir?: string; files?: readonly string[] } = {},
): Promise<string[]> {
  const found: string[] = [];
  const kubelet = await findKubelet(options.procDir ?? '/proc');
  if (kubelet) found.push(`process ${kubelet}`);
  for (const file of options.files ?? FILES) {
    try {
      await access(file);
      found.push(`file ${file}`);
    } catch {
      // Not there, or not for this user to know.
    }
  }
  return found;
}

async function findKubelet(procDir: string): Promise<string | null> {
  let pids: string[];
  try {
    pids = readdirSync(procDir).filter((name) => /^\d+$/.test(name));
  } catch {
    return null;
  }
  for (const [i, pid] of pids.slice(0, MAX_PROCESSES).entries()) {
    if (i % TURN === TURN - 1) await setImmediate();
    try {
      const comm = readFileSync(join(procDir, pid, 'comm'), 'utf8').trim();
      if (KUBELETS.has(comm)) return comm;
    } catch {
      // Gone in between.
    }
  }
  return null;
}
