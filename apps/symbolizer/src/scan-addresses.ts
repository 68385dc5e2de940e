import { binaryId } from '@perfleet/ids';
import type { AddressesMessage } from '@perfleet/messages';
import { attributeOf, frameType, mappingBinary, type ProfilesData } from '@perfleet/otlp';

const MAX_PIDS = 16;

/** The native addresses of a message by binary, and processes that map it. Locations that carry lines are named already. */
export function scanAddresses(data: ProfilesData, node: string, seen: (key: string) => boolean): AddressesMessage[] {
  const { dictionary } = data;
  const { locations, stacks } = dictionary;
  const found = new Map<string, { message: AddressesMessage; mapping: number }>();
  const byMapping = new Map<number, AddressesMessage>();
  for (let location = 0; location < locations.mapping.length; location++) {
    const mapping = locations.mapping[location]!;
    if (mapping === 0 || locations.lineOffsets[location] !== locations.lineOffsets[location + 1]) continue;
    const { gnuBuildId, htlHash, filename } = mappingBinary(dictionary, mapping);
    // `[anon]`, `[vdso]` and the like are no files.
    if (!gnuBuildId && !htlHash && (filename === '' || filename.startsWith('['))) continue;
    const id = binaryId({ gnuBuildId, htlHash, path: filename });
    const kind = frameType(dictionary, location);
    const address = locations.address[location]!.toString(16);
    if (seen(`${kind}\0${id}\0${address}`)) continue;
    const key = `${kind}\0${id}`;
    let entry = found.get(key);
    if (!entry)
      found.set(
        key,
        (entry = { mapping, message: { binaryId: id, kind, path: filename, node, pids: [], addresses: [] } }),
      );
    entry.message.addresses.push(address);
    byMapping.set(mapping, entry.message);
  }
  if (byMapping.size > 0) {
    for (const resource of data.resources) {
      for (const { samples } of resource.profiles) {
        for (let i = 0; i < samples.length; i++) {
          const pid = attributeOf(dictionary, samples.attributes, i, 'process.pid');
          if (typeof pid !== 'bigint' || pid < 1n || pid > 4_194_304n) continue;
          const stack = samples.stack[i]!;
          for (let at = stacks.offsets[stack]!; at < stacks.offsets[stack + 1]!; at++) {
            const message = byMapping.get(locations.mapping[stacks.values[at]!]!);
            if (message && message.pids.length < MAX_PIDS && !message.pids.includes(Number(pid)))
              message.pids.push(Number(pid));
          }
        }
      }
    }
  }
  return [...found.values()].map((entry) => entry.message);
}
