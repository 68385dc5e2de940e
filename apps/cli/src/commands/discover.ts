import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { discover, replay, replayLine, type NodeCapture } from '@perfleet/cgroup';
import type { Command } from 'commander';
import { formatDiscovery, formatReplay, summarize } from '../discovery-text.ts';
import { loadSettings } from '../settings.ts';

interface Flags {
  readonly json?: boolean;
  readonly capture?: boolean;
  readonly replay?: string;
}

/** Larger than any node; a file that is none is refused before it fills the memory. */
const MAX_REPLAY_BYTES = 512 << 20;

export function registerDiscover(program: Command): void {
  program
    .command('discover')
    .description('what this node looks like, why, and what would be profiled')
    .option('--json', 'as JSON')
    .option('--capture', "write this node's cgroup layout: fit for a bug report, and to be replayed anywhere")
    .option('--replay <file>', 'evaluate captures (one, an array, or one a line) instead of this node, one line each')
    .action(async (flags: Flags) => {
      const text = flags.replay === undefined ? await live(flags) : replayed(flags.replay, flags.json === true);
      // The whole text is written before the process ends, also into a pipe.
      await new Promise((resolve) => process.stdout.write(text, resolve));
    });
}

async function live({ json, capture: asCapture }: Flags): Promise<string> {
  const { captureNode, kubeletDeclaration, kubernetesEvidence, shareableCapture } = await import('@perfleet/collector');
  const capture = await captureNode({ name: 'this node' });
  if (asCapture) return `${JSON.stringify(shareableCapture(capture, hostname()), null, 1)}\n`;
  const { kubernetes } = loadSettings({});
  const evidence = kubernetes === 'yes' ? ['the configuration says so'] : await kubernetesEvidence();
  const found = discover(capture, {
    ...(kubernetes === 'no'
      ? { kubernetesEvident: false }
      : evidence.length > 0 && { kubernetesEvident: true, evidence }),
    kubelet: kubeletDeclaration(),
  });
  const summary = summarize(replay(capture).processes);
  return json ? `${JSON.stringify({ ...found, ...summary }, null, 2)}\n` : formatDiscovery(found, summary);
}

function replayed(file: string, json: boolean): string {
  const captures = readCaptures(file);
  return captures.map((each) => `${json ? replayLine(each) : formatReplay(replay(each))}\n`).join('');
}

/** @throws with one line that says what the file should be */
function readCaptures(file: string): NodeCapture[] {
  const { size } = statSync(file);
  if (size > MAX_REPLAY_BYTES) throw new Error(`${file} has ${size} bytes; a capture has at most ${MAX_REPLAY_BYTES}`);
  const text = readFileSync(file, 'utf8').trim();
  let values: unknown[];
  try {
    const value: unknown = JSON.parse(text);
    values = Array.isArray(value) ? value : [value];
  } catch (cause) {
    try {
      values = text.split('\n').map((line) => JSON.parse(line) as unknown);
    } catch {
      throw new Error(`${file} is not JSON; write one with \`perfleet discover --capture > FILE\``, { cause });
    }
  }
  const wrong = values.findIndex((value) => typeof value !== 'object' || value === null || Array.isArray(value));
  if (wrong >= 0)
    throw new Error(`${file}: entry ${wrong + 1} is no capture, but ${JSON.stringify(values[wrong])?.slice(0, 60)}`);
  return values as NodeCapture[];
}
