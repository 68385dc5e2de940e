import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, SymbolTable } from '@perfleet/native-symbols';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressOf } from './programs.fixture.ts';
import { createSymbolizer } from './symbolizer.ts';

/** A unit whose functions are nested `depth` deep, one byte a level: a parser that recurses overflows its stack. */
const nestedUnits = (depth: number) => `
  .text
  .globl main
  .type main, @function
main: ret
  .size main, .-main
  .section .debug_abbrev,"",@progbits
  .byte 1, 0x11, 1, 0x11, 1, 0, 0
  .byte 2, 0x2e, 1, 0, 0
  .byte 0
  .section .debug_info,"",@progbits
  .long end - start
start: .short 4
  .long 0
  .byte 8
  .byte 1
  .quad main
  .fill ${depth}, 1, 2
end:
`;

/** A function whose two halves name each other as their origin: following them never ends. */
const CYCLIC_ORIGINS = `
  .text
  .globl main
  .type main, @function
main: nop
  ret
end_main:
  .size main, .-main
  .section .debug_abbrev,"",@progbits
  .byte 1, 0x11, 1, 0x11, 1, 0x12, 7, 0, 0
  .byte 2, 0x2e, 1, 0x31, 0x13, 0x11, 1, 0x12, 7, 0, 0
  .byte 3, 0x1d, 0, 0x31, 0x13, 0x11, 1, 0x12, 7, 0, 0
  .byte 0
  .section .debug_info,"",@progbits
  .long end - start
start: .short 4
  .long 0
  .byte 8
  .byte 1
  .quad main, end_main - main
first: .byte 2
  .long second - start + 4
  .quad main, end_main - main
second: .byte 3
  .long first - start + 4
  .quad main, end_main - main
third: .byte 3
  .long third - start + 4
  .quad main, end_main - main
  .byte 0, 0
end:
`;

/** Offset of a section's data, and of its header. */
function sectionOf(path: string, name: string): { data: number; header: number } {
  const rows = execFileSync('readelf', ['-SW', path], { encoding: 'utf8' });
  const [, index, offset] = new RegExp(
    `\\[ *(\\d+)\\] ${name.replaceAll('.', '\\.')} +\\w+ +[0-9a-f]+ +([0-9a-f]+)`,
  ).exec(rows)!;
  const table = Number(readFileSync(path).readBigUInt64LE(40));
  return { data: Number.parseInt(offset!, 16), header: table + 64 * Number(index) };
}

describe('hostile files', () => {
  let dir: string;
  beforeAll(() => (dir = mkdtempSync(join(tmpdir(), 'perfleet-hostile-'))));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const assemble = (name: string, source: string) => {
    const path = join(dir, name);
    writeFileSync(`${path}.s`, source);
    execFileSync('gcc', ['-nostdlib', '-static', '-Wl,-e,main', '-o', path, `${path}.s`]);
    return path;
  };

  it('are refused by path and cause when their parser overflows the stack, and this process lives on', async () => {
    const path = assemble('nested', nestedUnits(4_000_000));
    await expect(SymbolTable.open(path)).rejects.toThrow(
      new RegExp(`^${path}: the file is corrupt: its parser ended by signal 11`),
    );
    expect((await identify(path)).hasDebugInfo).toBe(true);
    await SymbolTable.open(assemble('shallow', nestedUnits(1000)));
  });

  const answerOf = async (path: string, address = 1n) => {
    const [answer] = await createSymbolizer().resolve({ binaryId: `path:${path}`, path, pids: [] }, [address]);
    return answer!;
  };
  const patched = (path: string, name: string, patch: (bytes: Buffer) => void) => {
    const bytes = readFileSync(path);
    patch(bytes);
    writeFileSync(join(dir, name), bytes);
    return join(dir, name);
  };

  it.each([
    ['more than is read', 3n << 30n, 'more than the 2147483648 that are read'],
    ['more than there is memory', 1n << 60n, 'more than the 2147483648 that are read'],
    ['less than they unpack to', 100n, 'its debug information is unusable'],
    ['more than they unpack to', 1n << 30n, '.debug_info'],
  ])('whose sections claim %s cost no more than their names', async (name, claim, cause) => {
    const path = assemble('packed', nestedUnits(100_000));
    execFileSync('objcopy', ['--compress-debug-sections=zlib-gabi', path]);
    const { data } = sectionOf(path, '.debug_info');
    const bomb = patched(path, `bomb ${name}`, (bytes) => bytes.writeBigUInt64LE(claim, data + 8));
    const answer = await answerOf(bomb);
    expect(answer.quality).toBe(0);
    expect(answer.reason).toContain(cause);
    expect((await answerOf(bomb, addressOf(bomb, 'main'))).chain[0]?.[0]).toBe('main');
  });

  it('with cyclic abstract origins end, and keep the names that they have', async () => {
    const path = assemble('cyclic', CYCLIC_ORIGINS);
    const main = addressOf(path, 'main');
    expect((await answerOf(path, main)).chain.at(-1)?.[0]).toBe('main');
  });

  it.each(['.debug_info', '.debug_abbrev', '.symtab', '.strtab', '.text'])(
    'with an absurd size of %s end with a name or a reason',
    async (section) => {
      const path = assemble('sizes', nestedUnits(10));
      const main = addressOf(path, 'main');
      const { header } = sectionOf(path, section);
      for (const size of [1n << 60n, (1n << 64n) - 1n, 1n << 31n]) {
        const bad = patched(path, 'absurd', (bytes) => bytes.writeBigUInt64LE(size, header + 32));
        const { quality, reason } = await answerOf(bad, main);
        expect(quality > 0 || reason !== undefined).toBe(true);
      }
    },
  );

  it('that end anywhere are refused with a reason or named', async () => {
    const path = assemble('whole', nestedUnits(10));
    const bytes = readFileSync(path);
    for (let length = 0; length < bytes.length; length += Math.ceil(bytes.length / 60)) {
      writeFileSync(join(dir, 'part'), bytes.subarray(0, length));
      const { quality, reason } = await answerOf(join(dir, 'part'), addressOf(path, 'main'));
      expect(quality > 0 || reason !== undefined).toBe(true);
    }
  });

  it('that are not regular files are never opened', async () => {
    const pipe = join(dir, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(identify(pipe)).rejects.toThrow(`${pipe}: not a regular file`);
    await expect(identify('/dev/zero')).rejects.toThrow('/dev/zero: not a regular file');
    await expect(SymbolTable.open(dir)).rejects.toThrow(`${dir}: not a regular file`);
    await expect(identify(join(dir, 'absent'))).rejects.toThrow(`${join(dir, 'absent')}: No such file`);
  });

  it('do not hold back others: many at once are answered', async () => {
    const path = assemble('good', nestedUnits(3));
    const answers = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? identify(path) : SymbolTable.open(`${dir}/nested`))),
    );
    expect(answers.filter((answer) => answer.status === 'fulfilled')).toHaveLength(20);
  });
});
