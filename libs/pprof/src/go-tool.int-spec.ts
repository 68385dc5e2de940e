import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePprof } from './encode.ts';
import { exampleProfile } from './example.fixture.ts';

const go = ['go', '/usr/local/go/bin/go'].find((path) => spawnSync(path, ['version']).status === 0);

describe.skipIf(go === undefined)(
  `go tool pprof reads what is written${go ? '' : ' (skipped: no Go tool chain here)'}`,
  () => {
    let folder: string;
    let file: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'perfleet-pprof-'));
      file = join(folder, 'profile.pb.gz');
      writeFileSync(file, gzipSync(encodePprof(exampleProfile())));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    const pprof = (...flags: string[]) =>
      execFileSync(go!, ['tool', 'pprof', ...flags, file], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, PPROF_TMPDIR: folder, PPROF_BINARY_PATH: folder },
      });

    it('ranks functions by the samples, inlined ones included', () => {
      const top = pprof('-top', '-sample_index=samples');
      expect(top).toMatch(/^File: demo$/m);
      expect(top).toMatch(/^Build ID: abcdef01$/m);
      expect(top).toMatch(/^Duration: 5s, Total samples = 7/m);
      expect(top).toMatch(/^ +3 +42\.86% +[\d.]+% +3 +42\.86% +tiny( \(inline\))?$/m);
      expect(top).toMatch(/^ +0 +0% +[\d.]+% +4 +57\.14% +main$/m);
    });

    it('reads periods, mappings, labels and lines', () => {
      const raw = pprof('-raw');
      expect(raw).toMatch(/^PeriodType: cpu nanoseconds$/m);
      expect(raw).toMatch(/^Period: 10101010$/m);
      expect(raw).toMatch(/thread:\[main\]/);
      expect(raw).toMatch(/pid:\[42\]/);
      expect(raw).toMatch(/1: 0x0\/0x2000\/0x0 \/opt\/demo abcdef01 \[FN\]\[FL\]\[LN\]\[IN\]/);
      expect(raw).toMatch(/tiny tiny\.h:3/);
    });
  },
);
