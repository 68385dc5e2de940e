import { describe, expect, it } from 'vitest';
import { firefoxProblems } from './firefox-check.ts';
import { toFirefoxProfile } from './firefox.ts';
import { FrameTable, type Frame } from './frame-table.ts';
import { StackTable } from './stack-table.ts';

const about = { unit: 'nanoseconds', startMs: 1_700_000_000_000, durationMs: 60_000 };

/** `process;function;*inlined value` lines, with a file and a module for names that have none. */
function profileOf(lines: readonly string[], of: Partial<typeof about> = {}) {
  const frames = new FrameTable();
  const stacks = new StackTable();
  for (const line of lines) {
    const [path, value] = line.split(' ') as [string, string];
    const row = path.split(';').map((name, i): number => {
      const frame: Frame =
        i === 0
          ? { name, file: '', line: 0, module: '', kind: 'process', inlined: false }
          : {
              name: name.replace('*', ''),
              file: `${name.replace('*', '')}.c`,
              line: i,
              module: 'app',
              kind: 'native',
              inlined: name.startsWith('*'),
            };
      return frames.add(frame);
    });
    stacks.add(row, Number(value));
  }
  return JSON.parse(
    JSON.stringify(toFirefoxProfile(stacks.columns(), frames.columns(), { ...about, ...of })),
  ) as ReturnType<typeof toFirefoxProfile>;
}

type Profile = ReturnType<typeof profileOf>;

/** `root>…>leaf weight @time` of every sample of a thread; `^n` is an inline depth. */
function drawn({ shared, threads }: Profile, thread: number): string[] {
  const { samples, stackTable, frameTable, funcTable } = threads[thread]!;
  return samples.stack.map((top, i) => {
    const path: string[] = [];
    for (let at = top; at !== null; at = stackTable.prefix[at]!) {
      const frame = stackTable.frame[at]!;
      const depth = frameTable.inlineDepth[frame]!;
      path.unshift(shared.stringArray[funcTable.name[frameTable.func[frame]!]!]! + (depth ? `^${depth}` : ''));
    }
    return `${path.join('>')} ${samples.weight[i]} @${samples.time[i]}`;
  });
}

const example = [
  'node;main;work;*a;*b 30000000',
  'node;main 20000000',
  'java;main;work 5000000',
  'node;main;work 1000000',
];

describe('toFirefoxProfile', () => {
  it('is a track per process, samples as long as they weigh, inlined functions with their depth', () => {
    const profile = profileOf(example);
    expect(firefoxProblems(profile)).toEqual([]);
    expect(profile.threads.map(({ name, pid }) => [name, pid])).toEqual([
      ['node', '0'],
      ['java', '1'],
    ]);
    expect(drawn(profile, 0)).toEqual(['main>work>a^1>b^2 30 @0', 'main 20 @30', 'main>work 1 @50']);
    expect(drawn(profile, 1)).toEqual(['main>work 5 @0']);
    expect(profile.meta).toMatchObject({
      startTime: about.startMs,
      profilingEndTime: 60_000,
      preprocessedProfileVersion: 58,
    });
    expect(profile.threads[0]!.samples.weightType).toBe('tracing-ms');
  });

  it('shares prefixes, functions, files and modules', () => {
    const profile = profileOf(example);
    const { stackTable, funcTable, resourceTable } = profile.threads[0]!;
    expect([stackTable.length, funcTable.length, resourceTable.length]).toEqual([4, 4, 1]);
    expect(profile.libs.map(({ name }) => name)).toEqual(['app']);
    expect(profile.shared.sources.filename.map((i) => profile.shared.stringArray[i])).toEqual(
      ['main', 'work', 'a', 'b'].map((name) => `${name}.c`),
    );
  });

  it.each([
    ['bytes', 'bytes'],
    ['count', 'samples'],
  ])('keeps values of %s as they are, as %s', (unit, weightType) => {
    const profile = profileOf(['p;f 7', 'p;g 3'], { unit });
    expect(firefoxProblems(profile)).toEqual([]);
    expect(profile.threads[0]!.samples).toMatchObject({ weight: [7, 3], weightType });
  });

  it('puts what is not among the hundred largest processes into one track, below their names', () => {
    const lines = Array.from({ length: 103 }, (_, i) => `p${i};f ${(103 - i) * 1e6}`);
    const profile = profileOf(lines);
    expect(firefoxProblems(profile)).toEqual([]);
    expect(profile.threads).toHaveLength(101);
    expect(drawn(profile, 100)).toEqual(['p100>f 3 @0', 'p101>f 2 @3', 'p102>f 1 @5']);
    const sum = profile.threads.reduce((all, { samples }) => all + samples.weight.reduce((a, b) => a + b, 0), 0);
    expect(sum).toBe((103 * 104) / 2);
  });

  it('is a profile without samples, and with a process that has no frames', () => {
    expect(firefoxProblems(profileOf([]))).toEqual([]);
    const bare = profileOf(['p 1000000']);
    expect(firefoxProblems(bare)).toEqual([]);
    expect(bare.threads[0]!.samples).toMatchObject({ stack: [null], weight: [1] });
  });
});

/** The check itself: every one of these breaks one rule of the format. */
describe('firefoxProblems', () => {
  // Broken on purpose, so it has no type.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  type Broken = Record<string, any>;
  const thread = (profile: Broken): Broken => profile['threads'][0];
  it.each<[string, (profile: Broken) => void]>([
    ['meta.preprocessedProfileVersion', (p) => (p['meta'].preprocessedProfileVersion = 59)],
    ['meta.interval: missing', (p) => delete p['meta'].interval],
    ['meta.categories', (p) => (p['meta'].categories[0].color = 'blue')],
    ['profile.more: not of the format', (p) => (p['more'] = 1)],
    ['threads: the viewer', (p) => (p['threads'] = [])],
    ['stackTable.prefix[1]', (p) => (thread(p)['stackTable'].prefix[1] = 1)],
    ['stackTable.frame[0]', (p) => (thread(p)['stackTable'].frame[0] = 99)],
    ['stackTable.frame: not as long', (p) => thread(p)['stackTable'].frame.push(0)],
    ['stackTable.category: not of the format', (p) => (thread(p)['stackTable'].category = [])],
    ['frameTable.func[0]', (p) => (thread(p)['frameTable'].func[0] = -1)],
    ['frameTable.subcategory[0]', (p) => (thread(p)['frameTable'].subcategory[0] = 1)],
    ['frameTable.line: no array', (p) => (thread(p)['frameTable'].line = null)],
    ['funcTable.fileName: not of the format', (p) => (thread(p)['funcTable'].fileName = [])],
    ['funcTable.name[0]', (p) => (thread(p)['funcTable'].name[0] = 1000)],
    ['funcTable.source[0]', (p) => (thread(p)['funcTable'].source[0] = 1000)],
    ['funcTable.resource[0]', (p) => (thread(p)['funcTable'].resource[0] = 1)],
    ['resourceTable.lib[0]', (p) => (thread(p)['resourceTable'].lib[0] = 1)],
    ['samples.stack[0]', (p) => (thread(p)['samples'].stack[0] = 4)],
    ['samples.time[1]', (p) => (thread(p)['samples'].time[0] = 31)],
    ['samples.weightType', (p) => (thread(p)['samples'].weightType = 'ms')],
    ['pid', (p) => (thread(p)['pid'] = 7)],
    ['shared.sources.filename[0]', (p) => (p['shared'].sources.filename[0] = 1000)],
    ['libs[0].codeId', (p) => delete p['libs'][0].codeId],
  ])('finds %s', (problem, change) => {
    const profile = profileOf(example) as unknown as Broken;
    change(profile);
    expect(firefoxProblems(profile).join('\n')).toContain(problem);
  });
});
