import { describe, expect, it } from 'vitest';
import { profileNameOf, pyroscopeTypeOf, storedType, storedTypeOfId } from './profile-types.ts';

describe('profile types', () => {
  it.each([
    ['cpu', 'nanoseconds', 'process_cpu:cpu:nanoseconds:cpu:nanoseconds'],
    ['inuse_space', 'bytes', 'memory:inuse_space:bytes:space:bytes'],
    ['mutex_delay', 'nanoseconds', 'mutex:delay:nanoseconds:contentions:count'],
    ['block_delay', 'nanoseconds', 'block:delay:nanoseconds:contentions:count'],
    ['goroutine', 'count', 'goroutines:goroutine:count:goroutine:count'],
    ['page_faults', 'count', 'page_faults:page_faults:count:page_faults:count'],
    ['cpu', 'cycles', 'cpu:cpu:cycles:cpu:cycles'],
  ])('%s in %s is %s, and back', (type, unit, id) => {
    expect(pyroscopeTypeOf(type, unit).id).toBe(id);
    expect(storedTypeOfId(id)).toBe(type);
  });

  it('keeps what two profiles call alike apart', () => {
    expect(storedType('mutex', 'contentions')).not.toBe(storedType('block', 'contentions'));
    expect(storedType('offcpu', 'delay')).toBe('offcpu_delay');
  });

  it.each(['', 'cpu', 'a:b', ':::: ', 'a:b:c:d:e:f:g'])('%j is no identity', (id) =>
    expect(storedTypeOfId(id)).toBeNull(),
  );

  it('names a profile by its sample types', () => {
    expect(profileNameOf(['samples', 'cpu'])).toBe('process_cpu');
    expect(profileNameOf(['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space'])).toBe('memory');
    expect(profileNameOf(['sample', 'wall'])).toBe('wall');
    expect(profileNameOf(['goroutine'])).toBe('goroutines');
    expect(profileNameOf(['contentions', 'delay'], new Map([['contentions', 'mutex_count']]))).toBe('mutex');
    expect(profileNameOf(['contentions', 'delay'], new Map([['contentions', 'block_count']]))).toBe('block');
  });
});
