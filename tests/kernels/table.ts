/** What came of one kernel. */
export interface Result {
  readonly series: string;
  readonly release: string;
  /** What rung 1 used of the kernel, as its hello says. */
  readonly features: readonly string[];
  /** By the scenario's title. */
  readonly outcomes: Readonly<Record<string, { readonly ok: boolean; readonly text: string }>>;
}

/** @param date ISO day */
export function renderTable(titles: readonly string[], results: readonly Result[], date: string): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ').slice(0, 160);
  const row = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  const head = ['kernel', 'walks by', 'build ids', ...titles];
  const bySeries = (a: Result, b: Result) => a.series.localeCompare(b.series, 'en', { numeric: true });
  const lines = results.toSorted(bySeries).map(({ release, series, features, outcomes }) => {
    const by = features.find((feature) => feature.startsWith('walk:'))?.slice('walk:'.length) ?? '–';
    const buildIds = features.length === 0 ? '–' : features.includes('mmap2-build-ids') ? 'MMAP2' : 'from files';
    const cells = titles.map((title) => {
      const outcome = outcomes[title];
      return outcome ? (outcome.ok ? outcome.text : `**fails**: ${outcome.text}`) : '–';
    });
    return row([release || series, by, buildIds, ...cells]);
  });
  return `# Kernels

Debian's kernels in \`qemu-system-x86_64\` (emulation, two CPUs), ${date}, by \`npm run test:kernels\`. A figure such as 700/700 is
stacks of the known program (20 calls deep, no frame pointers) that are complete to the process's first frame, out of all; the
second one is programs that live 30 ms, a build id for every frame; samples in which the kernel takes down the memory of a program that
ends are left out: its stack is gone. The first three windows are left out: emulation takes twenty
times as long to make the first tables. Blocked time is what was told of programs that sleep (one for longer than a window) / how long
they were to sleep; emulation wakes them late. Every run of rungs 1 and 2 has to balance: taken = delivered + lost. The lookup of mappings in the kernel (\`bpf_find_vma\`) is not used on any of them.
KVM is not used: where this was tried (6.1.0-56, \`-cpu host\` and \`max\`) qemu ends with
“failed to set MSR 0x10a to 0x69”; without that register (\`-cpu host,-arch-capabilities\`) the guest still ran the code before the kernel proper after 85 s, without a line of its log.

${row(head)}
|${'---|'.repeat(head.length)}
${lines.join('\n')}
`;
}
