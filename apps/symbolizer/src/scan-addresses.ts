import { binaryId } from '@perfleet/ids';
import type { AddressesMessage } from '@perfleet/messages';
import { attributeOf, frameType, KEYS, mappingBinary, type Dictionary, type ProfilesData } from '@perfleet/otlp';

const MAX_PIDS = 16;
const MAX_PID = 4_194_304n;
/** Bounds of the message's schema. */
const MAX_PATH = 4096;
const MAX_KIND = 64;
/** A message of this many addresses stays under a third of a megabyte. */
const MAX_ADDRESSES = 16_384;

interface Found {
  readonly header: Omit<AddressesMessage, 'addresses'>;
  readonly addresses: string[];
}

/**
 * The native addresses of a message by binary, and processes that map it. Locations that carry lines are named already.
 * @param isNew asked once per address with a key of (kind, binary, address)
 */
export function scanAddresses(data: ProfilesData, node: string, isNew: (key: string) => boolean): AddressesMessage[] {
  const { dictionary } = data;
  const { locations } = dictionary;
  const found = new Map<string, Found>();
  const byMapping = new Map<number, Found>();
  for (let location = 0; location < locations.mapping.length; location++) {
    const mapping = locations.mapping[location]!;
    if (mapping === 0 || locations.lineOffsets[location] !== locations.lineOffsets[location + 1]) continue;
    const address = locations.address[location]!;
    const kind = frameType(dictionary, location);
    // Anonymous code: a mapping that has a name only. The aggregator decides the same way (framesOfLocation).
    if (kind !== 'native' && address === 0n) continue;
    const binary = identityOf(dictionary, mapping);
    if (!binary || kind.length > MAX_KIND) continue;
    const hex = address.toString(16);
    if (!isNew(`${kind}\0${binary.id}\0${hex}`)) continue;
    const key = `${kind}\0${binary.id}`;
    let entry = found.get(key);
    if (!entry) {
      const header = { binaryId: binary.id, kind, path: binary.path, node: node.slice(0, 253), pids: [] };
      found.set(key, (entry = { header, addresses: [] }));
    }
    entry.addresses.push(hex);
    byMapping.set(mapping, entry);
  }
  if (byMapping.size > 0) addPids(data, byMapping);
  return [...found.values()].flatMap(({ header, addresses }) => split(header, addresses));
}

function identityOf(dictionary: Dictionary, mapping: number): { id: string; path: string } | null {
  const { gnuBuildId, htlHash, filename } = mappingBinary(dictionary, mapping);
  if ((!gnuBuildId && !htlHash && !filename) || filename.length > MAX_PATH) return null;
  // `[vdso]`, `[anon]` and the like name memory that no file holds.
  if (!gnuBuildId && !htlHash && filename.startsWith('[')) return null;
  const id = binaryId({ gnuBuildId, htlHash, path: filename });
  return id.length > MAX_PATH + 5 ? null : { id, path: filename };
}

function addPids(data: ProfilesData, byMapping: ReadonlyMap<number, Found>): void {
  const { dictionary } = data;
  const { locations, stacks } = dictionary;
  for (const resource of data.resources) {
    for (const { samples } of resource.profiles) {
      for (let i = 0; i < samples.length; i++) {
        const value = attributeOf(dictionary, samples.attributes, i, KEYS.pid);
        if (typeof value !== 'bigint' || value < 1n || value > MAX_PID) continue;
        const pid = Number(value);
        const stack = samples.stack[i]!;
        for (let at = stacks.offsets[stack]!; at < stacks.offsets[stack + 1]!; at++) {
          const pids = byMapping.get(locations.mapping[stacks.values[at]!]!)?.header.pids;
          if (pids && pids.length < MAX_PIDS && !pids.includes(pid)) pids.push(pid);
        }
      }
    }
  }
}

function split(header: Found['header'], addresses: readonly string[]): AddressesMessage[] {
  const messages: AddressesMessage[] = [];
  for (let from = 0; from < addresses.length; from += MAX_ADDRESSES) {
    messages.push({ ...header, addresses: addresses.slice(from, from + MAX_ADDRESSES) });
  }
  return messages;
}
