import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '@perfleet/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { UploadQueue } from './upload-queue.ts';

const dir = tempDir('perfleet-queue-');
afterAll(() => dir.remove());
const [gnu, content] = ['11223344', 'ab'.repeat(16)];

describe('files that wait for their upload', () => {
  it('are found again by the next run; what was half written goes', () => {
    const place = join(dir.path, 'one');
    mkdirSync(place);
    writeFileSync(join(place, `${gnu}-${content}.elf`), 'x'.repeat(10));
    for (const name of [`${gnu}-${content}.elf.incoming`, 'other']) writeFileSync(join(place, name), 'x');
    const queue = new UploadQueue(place, 100);
    expect(readdirSync(place)).toEqual([`${gnu}-${content}.elf`]);
    expect(queue.first()).toMatchObject({ gnu, content, size: 10 });
    expect([queue.size, queue.bytes, queue.hasRoom(90), queue.hasRoom(91)]).toEqual([1, 10, true, false]);
  });

  it('take turns, and are removed from the disk when they are done', () => {
    const queue = new UploadQueue(join(dir.path, 'two'), 100);
    const files = ['aa', 'bb'].map((pair) => {
      const { path } = queue.place(gnu, pair.repeat(16));
      writeFileSync(path, 'x');
      return { gnu, content: pair.repeat(16), path, size: 1 };
    });
    for (const file of files) queue.add(file);
    queue.putBack(queue.first()!);
    expect(queue.first()).toEqual(files[1]);
    queue.remove(files[1]!);
    expect([existsSync(files[1]!.path), queue.first(), queue.size]).toEqual([false, files[0], 1]);
  });
});
