import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SymbolTable } from '@perfleet/native-symbols';
import { Random } from '@perfleet/simulate';
import { childrenCpu, measure, parseCount } from './measure.ts';
import { ratio, type Benchmark, type Cell, type Ratio } from './report.ts';

const TOOLS: readonly { readonly name: string; readonly args: readonly string[]; readonly install: string }[] = [
  { name: 'llvm-symbolizer', args: ['--inlines', '--demangle', '--obj'], install: 'llvm' },
  { name: 'addr2line', args: ['-f', '-i', '-C', '-e'], install: 'binutils' },
];

export const symbolize: Benchmark = {
  name: 'symbolize',
  description: 'addresses per CPU-second of the symbolizer, cold and warm, against llvm-symbolizer and addr2line',
  options: [
    { flags: '--addresses <n>', description: 'random addresses of the binary (100k)' },
    { flags: '--binary <file>', description: 'an ELF file with debug information (a C++ program made for it)' },
  ],

  async run({ quick, options, directory, progress }) {
    const count = parseCount('--addresses', options['addresses'], quick ? 2000 : 100_000, 10_000_000);
    const binary = options['binary'] ?? makeBinary(directory, quick ? 1 : 60, progress);
    const addresses = textAddresses(binary, count);
    const notes: string[] = [];
    progress('perfleet, cold');
    const cold = await measure(async () => {
      const table = await SymbolTable.open(binary);
      return { table, found: await table.resolve(addresses) };
    });
    progress('perfleet, warm');
    const warm = await measure(() => cold.value.table.resolve(addresses));
    const resolved = cold.value.found.quality.filter((quality) => quality > 0).length;
    const frames = cold.value.found.functions.length;
    cold.value.table.close();
    const rows: Cell[][] = [
      [
        'perfleet, cold (conversion included)',
        count / cold.cpu,
        cold.cpu,
        cold.seconds,
        (resolved / count) * 100,
        frames / count,
      ],
      ['perfleet, warm', count / warm.cpu, warm.cpu, warm.seconds, (resolved / count) * 100, frames / count],
    ];
    const ratios: Ratio[] = [];
    for (const tool of TOOLS) {
      progress(tool.name);
      const found = await runTool(tool.name, [...tool.args, binary], addresses);
      if (found === null) {
        notes.push(`${tool.name} is missing: sudo apt-get install ${tool.install}`);
        continue;
      }
      rows.push([tool.name, count / found.cpu, found.cpu, found.seconds, 'n/a', found.frames / count]);
      for (const [name, ours] of [
        ['cold', cold],
        ['warm', warm],
      ] as const)
        ratios.push(
          ratio(`perfleet ${name}, addresses a CPU-second`, count / ours.cpu, tool.name, count / found.cpu, 'higher'),
        );
    }
    return {
      parameters: { addresses: count, 'binary MB': readFileSync(binary).length / 1e6 },
      ratios,
      tables: [
        {
          title: 'The same addresses, with inlined functions, files and lines',
          columns: ['tool', 'addresses a CPU-second', 'CPU s', 'wall s', 'resolved %', 'functions an address'],
          rows,
        },
      ],
      notes: [
        ...notes,
        'Tools are measured from their start to their end, as Perfleet cold is; warm is what a running symbolizer does.',
      ],
    };
  },
};

/** A C++ program with templates and inlined functions, so that the tables have something to hold. */
function makeBinary(directory: string, units: number, progress: (line: string) => void): string {
  progress('building a C++ binary');
  const sources = Array.from({ length: units }, (_, unit) => {
    const source = join(directory, `unit${unit}.cc`);
    const functions = Array.from({ length: 40 }, (_, fn) => {
      const name = `unit${unit}_fn${fn}`;
      return `__attribute__((noinline)) unsigned long ${name}(std::map<int, std::string>& m, std::vector<long>& v) {
  std::sort(v.begin(), v.end(), [](long a, long b) { return (a ^ ${unit}) < (b ^ ${fn}); });
  for (auto x : v) m[static_cast<int>(x % ${fn + 7})] += std::to_string(x + ${unit});
  return m.size() + v.size();
}`;
    });
    const calls = functions.map((_, fn) => `unit${unit}_fn${fn}(m, v)`).join(' + ');
    writeFileSync(
      source,
      `#include <algorithm>\n#include <map>\n#include <string>\n#include <vector>\n${functions.join('\n')}\nunsigned long unit${unit}() { std::map<int, std::string> m; std::vector<long> v(99); return ${calls}; }\n`,
    );
    return source;
  });
  const main = join(directory, 'main.cc');
  const names = sources.map((_, unit) => `unit${unit}`);
  writeFileSync(
    main,
    `${names.map((name) => `unsigned long ${name}();`).join('\n')}\nint main() { return static_cast<int>(${names.map((name) => `${name}()`).join(' + ')}); }\n`,
  );
  const binary = join(directory, 'many-units');
  execFileSync('g++', ['-O2', '-g', '-o', binary, main, ...sources]);
  return binary;
}

/** Addresses spread over the text section, the same ones each time. */
function textAddresses(binary: string, count: number): BigUint64Array {
  const sections = execFileSync('readelf', ['-SW', binary], { encoding: 'utf8' });
  const text = /\s\.text\s+PROGBITS\s+([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)/.exec(sections);
  if (!text) throw new Error(`${binary} has no .text section`);
  const [start, size] = [BigInt(`0x${text[1]}`), Number.parseInt(text[2]!, 16)];
  const random = new Random(11);
  return BigUint64Array.from({ length: count }, () => start + BigInt(random.below(size)));
}

async function runTool(name: string, args: readonly string[], addresses: BigUint64Array) {
  const before = childrenCpu();
  const started = performance.now();
  const child = spawn(name, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  let lines = 0;
  const ended = new Promise<boolean>((resolve) => {
    child.on('error', () => resolve(false));
    child.on('close', () => resolve(true));
  });
  child.stdout.on('data', (data: Buffer) => {
    for (const byte of data) if (byte === 10) lines++;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(Array.from(addresses, (address) => `0x${address.toString(16)}\n`).join(''));
  if (!(await ended)) return null;
  // Two lines a function; llvm-symbolizer ends each address with an empty one.
  const blank = name === 'llvm-symbolizer' ? addresses.length : 0;
  return { cpu: childrenCpu() - before, seconds: (performance.now() - started) / 1000, frames: (lines - blank) / 2 };
}
