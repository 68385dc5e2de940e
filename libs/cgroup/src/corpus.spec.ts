import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { NodeCapture } from './model.ts';
import { replayLine, type ReplayResult } from './replay.ts';

interface Layout extends NodeCapture {
  readonly name: string;
  readonly processes: Array<{ name: string; procCgroup: string[]; expected: Record<string, string | null> }>;
  readonly expectedNode?: { mode: string; podRoots: string[] } | null;
}

/** Beside the clone, and no part of the repository. */
const corpus = fileURLToPath(new URL('../../../../shared/cgroup-corpus/layouts.json', import.meta.url));

describe('the shared corpus of node layouts', () => {
  if (!existsSync(corpus)) {
    it.skip('cannot run: ../shared/cgroup-corpus/layouts.json is not beside this clone', () => undefined);
    return;
  }
  const layouts = JSON.parse(readFileSync(corpus, 'utf8')) as Layout[];

  it('is not empty', () => expect(layouts.length).toBeGreaterThan(0));

  it.each(layouts.map((layout) => [layout.name, layout] as const))('%s', (_, layout) => {
    const result = JSON.parse(replayLine(layout)) as ReplayResult;
    const named = result.processes.map(({ name, podUid, containerId, qos }) => ({ name, podUid, containerId, qos }));
    expect(named).toEqual(layout.processes.map(({ name, expected }) => ({ name, ...expected })));
    if (layout.expectedNode) expect({ mode: result.mode, podRoots: result.podRoots }).toEqual(layout.expectedNode);
    expect(result.reason).not.toBe('');
  });
});
