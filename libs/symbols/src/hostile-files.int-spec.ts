import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, SymbolTable } from '@perfleet/native-symbols';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

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

  it('cannot claim more memory than a conversion may take', async () => {
    const path = assemble('bomb', nestedUnits(1000));
    execFileSync('objcopy', ['--compress-debug-sections=zlib-gabi', path]);
    const sections = execFileSync('readelf', ['-SW', path], { encoding: 'utf8' });
    const [, offset] = /\.debug_info\s+PROGBITS\s+[0-9a-f]+\s+([0-9a-f]+)\s+[0-9a-f]+\s+00\s+C/.exec(sections)!;
    const bytes = readFileSync(path);
    bytes.writeBigUInt64LE(1n << 60n, Number.parseInt(offset!, 16) + 8);
    writeFileSync(path, bytes);
    await expect(SymbolTable.open(path)).rejects.toThrow(path);
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
