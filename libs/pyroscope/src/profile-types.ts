/**
 * A profile type as Pyroscope names it, `name:sample_type:sample_unit:period_type:period_unit`, e.g.
 * `process_cpu:cpu:nanoseconds:cpu:nanoseconds` (https://grafana.com/docs/pyroscope/latest/view-and-analyze-profile-data/profiling-types/).
 */
export interface PyroscopeType {
  readonly id: string;
  readonly name: string;
  readonly sampleType: string;
  readonly sampleUnit: string;
  readonly periodType: string;
  readonly periodUnit: string;
}

/**
 * Perfleet's type (`cpu`, `mutex_delay`) and the identity that Pyroscope's users know it by. What the senders' own libraries
 * call the same thing stands in the second column too, so that each has one type whoever sent it.
 */
const KNOWN: ReadonlyArray<readonly [type: string, id: string]> = [
  ['cpu', 'process_cpu:cpu:nanoseconds:cpu:nanoseconds'],
  ['samples', 'process_cpu:samples:count:cpu:nanoseconds'],
  ['wall', 'wall:wall:nanoseconds:wall:nanoseconds'],
  ['alloc_objects', 'memory:alloc_objects:count:space:bytes'],
  ['alloc_space', 'memory:alloc_space:bytes:space:bytes'],
  ['inuse_objects', 'memory:inuse_objects:count:space:bytes'],
  ['inuse_space', 'memory:inuse_space:bytes:space:bytes'],
  ['goroutine', 'goroutines:goroutine:count:goroutine:count'],
  ['mutex_contentions', 'mutex:contentions:count:contentions:count'],
  ['mutex_delay', 'mutex:delay:nanoseconds:contentions:count'],
  ['block_contentions', 'block:contentions:count:contentions:count'],
  ['block_delay', 'block:delay:nanoseconds:contentions:count'],
  ['alloc_samples', 'alloc:alloc_samples:count:cpu:nanoseconds'],
  ['alloc_size', 'alloc:alloc_size:bytes:cpu:nanoseconds'],
  ['lock_count', 'lock:lock_count:count:cpu:nanoseconds'],
  ['lock_time', 'lock:lock_time:nanoseconds:cpu:nanoseconds'],
  ['exception', 'exception:exception:count:cpu:nanoseconds'],
];

const split = (id: string): PyroscopeType => {
  const [name = '', sampleType = '', sampleUnit = '', periodType = '', periodUnit = ''] = id.split(':');
  return { id, name, sampleType, sampleUnit, periodType, periodUnit };
};

const byType = new Map(KNOWN.map(([type, id]) => [type, split(id)]));
const byName = new Map([...byType].map(([type, { name, sampleType }]) => [`${name}:${sampleType}`, type]));

/** Profile type `X` with a unit is `X:X:unit:X:unit` when Pyroscope has no name of its own for it. */
export function pyroscopeTypeOf(type: string, unit: string): PyroscopeType {
  const known = byType.get(type);
  if (known?.sampleUnit === unit) return known;
  // A colon in a name would give the identity another part.
  const [t, u] = [type.replaceAll(':', '_'), unit.replaceAll(':', '_')];
  return split([t, t, u, t, u].join(':'));
}

/** Perfleet's type for a profile's name and one of its sample types. */
export function storedType(name: string, sampleType: string): string {
  const known = byName.get(`${name}:${sampleType}`);
  if (known !== undefined) return known;
  return name === '' || name === sampleType ? sampleType : `${name}_${sampleType}`;
}

/** Perfleet's type for an identity, or null when it is none. A sixth part (`:delta`) is allowed, as Pyroscope does. */
export function storedTypeOfId(id: string): string | null {
  const parts = id.split(':');
  if (parts.length < 5 || parts.length > 6 || !parts[0] || !parts[1]) return null;
  return storedType(parts[0], parts[1]);
}

/**
 * The name of a pprof profile that does not say one, from its sample types, as Pyroscope's `/ingest` finds it.
 * @param displayNames what the sender calls a sample type, e.g. `contentions` → `mutex_count`
 */
export function profileNameOf(
  sampleTypes: readonly string[],
  displayNames: ReadonlyMap<string, string> = new Map(),
): string {
  if (sampleTypes.includes('wall')) return 'wall';
  for (const sampleType of sampleTypes) {
    const name = displayNames.get(sampleType) ?? sampleType;
    if (name.includes('cpu')) return 'process_cpu';
    if (/alloc_|inuse_/.test(name) || name === 'space' || name === 'objects') return 'memory';
    if (name.includes('mutex_')) return 'mutex';
    if (name.includes('block_')) return 'block';
    if (name.includes('goroutine')) return 'goroutines';
  }
  return sampleTypes.at(-1) ?? '';
}
