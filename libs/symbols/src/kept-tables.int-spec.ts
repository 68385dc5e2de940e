import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '@perfleet/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addressOf, compileC } from './programs.fixture.ts';
import { createSymbolizer } from './symbolizer.ts';

describe('lookup tables on disk', () => {
  let dir: ReturnType<typeof tempDir>;
  let tables: string;
  beforeEach(() => {
    dir = tempDir('perfleet-kept-');
    tables = join(dir.path, 'tables');
  });
  afterEach(() => dir.remove());

  const program = (name: string) => {
    const path = join(dir.path, name);
    compileC(path, `int ${name}(void) { return 1; } int main(void) { return ${name}(); }`);
    return path;
  };
  /** What a symbolizer that was just started says. */
  const nameIn = async (path: string, name: string, options: object = {}) => {
    const symbolizer = createSymbolizer({ tables: { dir: tables, ...options } });
    const [answer] = await symbolizer.resolve({ binaryId: `path:${path}`, path, pids: [] }, [addressOf(path, name)]);
    symbolizer.close();
    return answer!;
  };
  const files = () => readdirSync(tables).sort();

  it('are used again after a restart, and made again when the binary is another or the table is damaged', async () => {
    const path = program('first');
    expect(await nameIn(path, 'first')).toMatchObject({ quality: 3, chain: [['first', `${path}.c`, 1]] });
    const [kept] = files();
    const made = statSync(join(tables, kept!)).ino;
    expect((await nameIn(path, 'first')).chain[0]![0]).toBe('first');
    expect(files()).toEqual([kept]);
    expect(statSync(join(tables, kept!)).ino).toBe(made);

    const whole = readFileSync(join(tables, kept!));
    writeFileSync(join(tables, kept!), whole.subarray(0, whole.length - 1));
    expect((await nameIn(path, 'first')).chain[0]![0]).toBe('first');
    expect(readFileSync(join(tables, kept!))).toEqual(whole);

    // The same path, rebuilt.
    compileC(path, 'int second(void) { return 2; } int main(void) { return second(); }');
    expect((await nameIn(path, 'second')).chain[0]![0]).toBe('second');
    expect(files()).toHaveLength(2);
  });

  it('go when there are too many, the ones used longest ago first', async () => {
    const path = program('kept');
    await nameIn(path, 'kept');
    const [own] = files();
    const longAgo = new Date(Date.now() - 86_400_000);
    for (const name of ['old.table', 'ended-early.part']) {
      writeFileSync(join(tables, name), Buffer.alloc(1 << 20));
      utimesSync(join(tables, name), longAgo, longAgo);
    }
    await nameIn(path, 'kept', { quotaBytes: 1 << 20 });
    await expect.poll(files).toEqual([own]);
  });
});
