import { addressesSchema } from '@perfleet/messages';
import { decodeProfiles, ProfilesEncoder } from '@perfleet/otlp';
import { describe, expect, it } from 'vitest';
import { scanAddresses } from './scan-addresses.ts';

const VALUE_TYPE = { type: 'cpu', unit: 'nanoseconds' };
const PROFILE = { sampleType: VALUE_TYPE, periodType: VALUE_TYPE, period: 1, timeUnixNano: 1n, durationNano: 1n };

function scanned(build: (e: ProfilesEncoder) => Array<{ pid: number; stack: number[] }>, isNew = () => true) {
  const e = new ProfilesEncoder();
  const samples = build(e);
  const profile = e.resource([]).profile(PROFILE);
  for (const { pid, stack } of samples) profile.sample(e.stack(stack), [e.attribute('process.pid', pid)], 1);
  return scanAddresses(decodeProfiles(e.finish()), 'n1', isNew);
}

describe('addresses of a profile', () => {
  it('come by binary with the processes that map it; what carries names or has no file is left out', () => {
    const messages = scanned((e) => {
      const libc = e.mapping({ filename: '/lib/libc.so', gnuBuildId: 'aa' });
      const app = e.mapping({ filename: '/app' });
      const anon = e.mapping({ filename: '[anon]' });
      const at = (mapping: number, address: bigint, kind = 'native') => e.location({ mapping, address, kind });
      const named = e.location({ kind: 'kernel', lines: [[e.func('do_idle', ''), 0]] });
      return [
        { pid: 7, stack: [named, at(libc, 0x10n), at(app, 0xffff_ffff_ffff_ffffn)] },
        { pid: 8, stack: [at(libc, 0x20n), at(anon, 0n)] },
        { pid: 7, stack: [at(libc, 0x10n)] },
      ];
    });
    expect(messages).toEqual([
      { binaryId: 'gnu:aa', kind: 'native', path: '/lib/libc.so', node: 'n1', pids: [7, 8], addresses: ['10', '20'] },
      { binaryId: 'path:/app', kind: 'native', path: '/app', node: 'n1', pids: [7], addresses: ['ffffffffffffffff'] },
    ]);
  });

  it('are none when all are known', () => {
    const messages = scanned(
      (e) => [{ pid: 1, stack: [e.location({ mapping: e.mapping({ filename: '/a' }), address: 1n, kind: 'native' })] }],
      () => false,
    );
    expect(messages).toEqual([]);
  });

  it('always fit the schema and a broker, whatever a profile says', () => {
    const messages = scanned((e) => {
      const mapping = e.mapping({ filename: '/big', gnuBuildId: 'bb' });
      const hostile = [
        e.mapping({ filename: `/${'x'.repeat(5000)}` }),
        e.mapping({ filename: '/x', gnuBuildId: 'y'.repeat(5000) }),
      ];
      const stack = Array.from({ length: 1000 }, (_, i) => i);
      return [
        { pid: 1, stack: hostile.map((m) => e.location({ mapping: m, address: 1n, kind: 'native' })) },
        { pid: 1, stack: [e.location({ mapping, address: 1n, kind: 'k'.repeat(100) })] },
        ...Array.from({ length: 70 }, (_, part) => ({
          pid: part + 1,
          stack: stack.map((i) =>
            e.location({ mapping, address: 2n ** 60n + BigInt(part * 1000 + i), kind: 'native' }),
          ),
        })),
      ];
    });
    expect(messages.flatMap((m) => m.addresses)).toHaveLength(70_000);
    for (const message of messages) {
      expect(addressesSchema.parse(message).binaryId).toBe('gnu:bb');
      expect(JSON.stringify(message).length).toBeLessThan(900_000);
    }
  });
});
