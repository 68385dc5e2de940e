import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '@perfleet/simulate';

/** Units that are compiled; the others are copies of them under other names, as a compiler would take minutes for all. */
const COMPILED = 4;
const FUNCTIONS = 40;
/** `std::map<int, std::string>&, std::vector<long>&` in the mangling of the Itanium C++ ABI. */
const PARAMETERS =
  'RSt3mapIiNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt4lessIiESaISt4pairIKiS5_EEERSt6vectorIlSaIlEE';

/** A C++ program with templates and inlined functions, so that the tables have something to hold; about 1.4 MB a unit. */
export function makeProgram(directory: string, units: number): string {
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { cwd: directory, stdio: 'pipe' });
  const compiled = Math.min(COMPILED, units);
  for (let unit = 0; unit < compiled; unit++) {
    writeFileSync(join(directory, `${unit}.cc`), sourceOf(unit));
    run('g++', '-O2', '-g', '-c', `${unit}.cc`, '-o', `${unit}.o`);
  }
  for (let unit = compiled; unit < units; unit++) {
    writeFileSync(join(directory, `${unit}.names`), renamed(unit % compiled, unit));
    run('objcopy', `--redefine-syms=${unit}.names`, `${unit % compiled}.o`, `${unit}.o`);
  }
  const all = Array.from({ length: units }, (_, unit) => unit);
  const declared = all.map((unit) => `unsigned long unit${unit}();`).join('\n');
  const calls = all.map((unit) => `n += unit${unit}();`).join('\n');
  writeFileSync(
    join(directory, 'main.cc'),
    `${declared}\nint main() { unsigned long n = 0;\n${calls}\nreturn static_cast<int>(n); }\n`,
  );
  run('g++', '-O2', '-g', '-o', 'many-units', 'main.cc', ...all.map((unit) => `${unit}.o`));
  return join(directory, 'many-units');
}

function sourceOf(unit: number): string {
  const names = Array.from({ length: FUNCTIONS }, (_, fn) => `unit${unit}_fn${fn}`);
  const functions = names.map(
    (
      name,
      fn,
    ) => `__attribute__((noinline)) unsigned long ${name}(std::map<int, std::string>& m, std::vector<long>& v) {
  std::sort(v.begin(), v.end(), [](long a, long b) { return (a ^ ${unit}) < (b ^ ${fn}); });
  for (auto x : v) m[static_cast<int>(x % ${fn + 7})] += std::to_string(x + ${unit});
  return m.size() + v.size();
}`,
  );
  const includes = ['algorithm', 'map', 'string', 'vector'].map((name) => `#include <${name}>`);
  const calls = names.map((name) => `${name}(m, v)`).join(' + ');
  const main = `unsigned long unit${unit}() { std::map<int, std::string> m; std::vector<long> v(99); return ${calls}; }`;
  return [...includes, ...functions, main, ''].join('\n');
}

/** What objcopy is told: the functions of one unit under the names of another. */
function renamed(from: number, to: number): string {
  const mangled = (name: string, parameters: string) => `_Z${name.length}${name}${parameters}`;
  const pair = (suffix: string, parameters: string) =>
    `${mangled(`unit${from}${suffix}`, parameters)} ${mangled(`unit${to}${suffix}`, parameters)}\n`;
  return Array.from({ length: FUNCTIONS }, (_, fn) => pair(`_fn${fn}`, PARAMETERS)).join('') + pair('', 'v');
}

/** Addresses spread over the text section, the same ones each time. */
export function textAddresses(binary: string, count: number): BigUint64Array {
  const sections = execFileSync('readelf', ['-SW', binary], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const text = /\s\.text\s+PROGBITS\s+([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)/.exec(sections);
  if (!text) throw new Error(`${binary} has no .text section`);
  const [start, size] = [BigInt(`0x${text[1]}`), Number.parseInt(text[2]!, 16)];
  const random = new Random(11);
  return BigUint64Array.from({ length: count }, () => start + BigInt(random.below(size)));
}
