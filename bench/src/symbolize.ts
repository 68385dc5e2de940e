import { spawn } from 'node:child_process';
import { globSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { identify, SymbolTable } from '@perfleet/native-symbols';
import { childrenCpu, measure, parseCount } from './measure.ts';
import { ratio, type Benchmark, type Cell, type Ratio } from './report.ts';
import { manyBinaries } from './symbolize-many.ts';
import { makeProgram, textAddresses } from './symbolize-program.ts';

interface Tool {
  readonly name: string;
  readonly args: readonly string[];
  readonly install: string;
  /** It is asked for at most so many addresses: its figure is a rate. */
  readonly most: number;
}

const LLVM: Tool = { name: 'llvm-symbolizer', args: ['--inlines', '--demangle', '--obj'], install: 'llvm', most: 1e7 };
const ADDR2LINE: Tool = { name: 'addr2line', args: ['-f', '-i', '-C', '-e'], install: 'binutils', most: 100_000 };

export const symbolize: Benchmark = {
  name: 'symbolize',
  description: 'addresses per CPU-second of the symbolizer, cold and warm, against llvm-symbolizer and addr2line',
  options: [
    { flags: '--addresses <n>', description: 'random addresses of the binary (1M)' },
    {
      flags: '--binary <file>',
      description: 'an ELF file, instead of a C++ program made for it, node, libjvm and libc',
    },
    {
      flags: '--binaries <n>',
      description: 'instead: addresses (100k) spread over so many binaries of this machine, all of them cold',
    },
  ],

  async run({ quick, options, directory, progress }) {
    const many = options['binaries'];
    if (many) {
      const wanted = parseCount('--binaries', many, 200, 2000);
      const addresses = parseCount('--addresses', options['addresses'], quick ? 2000 : 100_000, 10_000_000);
      return manyBinaries({ wanted, addresses, directory: join(directory, 'tables'), progress });
    }
    const count = parseCount('--addresses', options['addresses'], quick ? 2000 : 1_000_000, 10_000_000);
    const given = options['binary'];
    if (!given) progress('building a C++ program');
    const first = given ?? makeProgram(directory, quick ? 1 : 80);
    const runs = [{ binary: first, tools: [LLVM, ADDR2LINE] }];
    if (!given && !quick) for (const binary of otherBinaries()) runs.push({ binary, tools: [LLVM] });
    const [ratios, rows, notes]: [Ratio[], Cell[][], string[]] = [[], [], []];
    for (const { binary, tools } of runs) {
      const addresses = textAddresses(binary, count);
      const name = basename(binary);
      progress(`${name}, perfleet`);
      const ours = await perfleetOn(binary, addresses, join(directory, 'tables'));
      for (const [form, { cpu, seconds }] of Object.entries(ours.forms))
        rows.push([`perfleet, ${form}`, name, count / cpu, cpu, seconds, ours.resolved, ours.frames]);
      for (const tool of tools) {
        progress(`${name}, ${tool.name}`);
        const found = await runTool(tool, binary, addresses.subarray(0, tool.most));
        if (found === null) {
          notes.push(`${tool.name} is missing: sudo apt-get install ${tool.install}`);
          continue;
        }
        const rate = found.addresses / found.cpu;
        rows.push([tool.name, name, rate, found.cpu, found.seconds, 'n/a', found.frames / found.addresses]);
        for (const [form, { cpu }] of Object.entries(ours.forms))
          ratios.push(
            ratio(`${name}: perfleet ${form}, addresses a CPU-second`, count / cpu, tool.name, rate, 'higher'),
          );
      }
    }
    const megabytes = runs.map(({ binary }) => `${basename(binary)} ${(statSync(binary).size / 1e6).toFixed(1)}`);
    return {
      parameters: { addresses: count, 'binaries, MB': megabytes.join(', ') },
      ratios,
      tables: [
        {
          title: 'The same addresses, with inlined functions, files and lines',
          columns: [
            'tool',
            'binary',
            'addresses a CPU-second',
            'CPU s',
            'wall s',
            'resolved %',
            'functions an address',
          ],
          rows,
        },
      ],
      notes: [
        ...new Set(notes),
        'Tools are measured from their start to their end, as Perfleet cold is, its conversion included; restarted is with a table that was kept on disk, warm is what a running symbolizer does.',
      ],
    };
  },
};

/** What runs on every node, as far as it is here. */
function otherBinaries(): string[] {
  const places = ['/usr/lib/jvm/*/lib/server/libjvm.so', '/lib/*-linux-gnu/libc.so.6', '/lib64/libc.so.6'];
  const firsts = places.map((place) => globSync(place).sort()[0]).filter((path) => path !== undefined);
  return [...new Set([process.execPath, ...firsts].map((path) => realpathSync(path)))];
}

async function perfleetOn(binary: string, addresses: BigUint64Array, tables: string) {
  // llvm-symbolizer looks there, too.
  const { gnuBuildId: id } = await identify(binary);
  const debugFile = `/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`;
  const openAndResolve = async () => {
    const table = await SymbolTable.open(binary, [debugFile], { directory: tables });
    return { table, found: await table.resolve(addresses) };
  };
  const cold = await measure(openAndResolve);
  cold.value.table.close();
  const restarted = await measure(openAndResolve);
  const { table, found } = restarted.value;
  const warm = await measure(() => table.resolve(addresses));
  table.close();
  const resolved = found.quality.filter((quality) => quality > 0).length;
  return {
    forms: { cold, restarted, warm },
    resolved: (resolved / addresses.length) * 100,
    frames: found.functions.length / addresses.length,
  };
}

async function runTool({ name, args }: Tool, binary: string, addresses: BigUint64Array) {
  const before = childrenCpu();
  const started = performance.now();
  const child = spawn(name, [...args, binary], { stdio: ['pipe', 'pipe', 'ignore'] });
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
  const blank = name === LLVM.name ? addresses.length : 0;
  return {
    addresses: addresses.length,
    cpu: childrenCpu() - before,
    seconds: (performance.now() - started) / 1000,
    frames: (lines - blank) / 2,
  };
}
