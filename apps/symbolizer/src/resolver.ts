import { addressesSchema, parseJson, type AddressesMessage, type SymbolsMessage } from '@perfleet/messages';
import type { OutgoingMessage, StreamMessage } from '@perfleet/stream';
import { NO_SYMBOL, reasonClass, type ReasonClass, type Symbolizer } from '@perfleet/symbols';
import { boundedChain } from './bounded-chain.ts';
import { Pages } from './pages.ts';

export interface ResolverStats {
  resolved: number;
  unresolved: number;
  skippedMessages: number;
  /** Unresolved addresses by class; one whose reason changes counts again. */
  readonly reasons: Partial<Record<ReasonClass, number>>;
}

export interface ResolverParts {
  readonly symbols: Symbolizer;
  /** This machine's node name: files of this machine stand for binaries of this node only, unless a hash proves them. */
  readonly node: string;
  readonly publish: (messages: readonly OutgoingMessage[]) => Promise<void>;
  readonly stats: ResolverStats;
}

const MAX_WAITING_BINARIES = 10_000;
const MAX_WAITING_ADDRESSES = 200_000;
const MAX_PIDS = 16;
const MAX_ADDRESSES = 65_536;

/** Addresses of one binary, from one or several messages. */
export interface Wanted {
  readonly binaryId: string;
  readonly kind: string;
  readonly path: string;
  readonly node: string;
  readonly pids: readonly number[];
  readonly addresses: readonly string[];
}

/**
 * Resolves the addresses of one partition's binaries, each once, and publishes their pages. It lives as long as the partition is
 * assigned here: kept longer, its pages would overwrite those of the next owner.
 */
export class Resolver {
  private readonly pages = new Pages();
  /** Pages that changed since the log last took them. */
  private readonly unsent = new Set<string>();
  private readonly waiting = new Map<string, Wanted>();
  private waitingAddresses = 0;
  /** While the log is replayed: published without a name, and why that may change, by kind and binary. */
  private readonly open = new Map<string, Set<string>>();
  private closed = false;

  constructor(private readonly parts: ResolverParts) {}

  /** Rejects when the log does not take the answer, and once closed. */
  async resolve(wanted: Wanted): Promise<void> {
    const { binaryId, kind } = wanted;
    const { stats } = this.parts;
    const open = wanted.addresses.filter((address) => (this.pages.get(binaryId, kind, address)?.quality ?? 0) === 0);
    if (open.length === 0) return this.publishUnsent();
    const answers = await this.parts.symbols.resolve(
      this.located(wanted),
      open.map((address) => BigInt(`0x${address}`)),
    );
    this.assertOpen();
    const missing: string[] = [];
    answers.forEach(({ quality, chain, reason }, i) => {
      const address = open[i]!;
      const known = this.pages.get(binaryId, kind, address);
      if (isOpen({ quality, reason })) missing.push(address);
      if (known && known.quality >= quality && known.reason === reason) return;
      if (quality > 0) stats.resolved++;
      else if (!known) stats.unresolved++;
      if (reason) stats.reasons[reasonClass(reason)] = (stats.reasons[reasonClass(reason)] ?? 0) + 1;
      const frame = { address, quality, chain: boundedChain(chain), ...(reason ? { reason } : {}) };
      this.unsent.add(this.pages.put(binaryId, kind, frame));
    });
    this.remember(wanted, missing);
    await this.publishUnsent();
  }

  /** Looks again for binaries that were not there, or for one of them. */
  async retry(binaryId?: string): Promise<void> {
    for (const wanted of [...this.waiting.values()]) {
      if (this.closed) return;
      if (binaryId === undefined || wanted.binaryId === binaryId) await this.resolve(wanted);
    }
  }

  /** What was published of a binary before this partition came here. Of several messages of one page the last one counts. */
  restorePage({ binaryId, kind, frames }: SymbolsMessage): void {
    const key = `${kind}\0${binaryId}`;
    for (const frame of frames) {
      this.pages.put(binaryId, kind, frame);
      const addresses = this.open.get(key);
      if (!isOpen(frame)) addresses?.delete(frame.address);
      else if (addresses) addresses.add(frame.address);
      else if (this.open.size < MAX_WAITING_BINARIES) this.open.set(key, new Set([frame.address]));
    }
  }

  /** Addresses that were asked for before, after all pages: those without a name wait for their binary again. */
  restoreWanted(wanted: Wanted): void {
    const open = this.open.get(`${wanted.kind}\0${wanted.binaryId}`);
    const addresses = wanted.addresses.filter((address) => open?.delete(address));
    if (addresses.length > 0) this.wait(wanted, addresses);
  }

  /** Ends a replay. What the log says no more of than that it has no name waits for an upload. */
  restored(): void {
    for (const [key, addresses] of this.open) {
      const [kind, binaryId] = key.split('\0') as [string, string];
      const wanted = { binaryId, kind, path: '', node: '', pids: [], addresses: [...addresses] };
      if (addresses.size > 0) this.wait(wanted, wanted.addresses);
    }
    this.open.clear();
  }

  get isClosed(): boolean {
    return this.closed;
  }

  close(): void {
    this.closed = true;
  }

  private async publishUnsent(): Promise<void> {
    const keys = [...this.unsent];
    const messages = keys.flatMap((key) => this.pages.messages(key));
    if (messages.length === 0) return;
    // A page that changes while it is being sent is marked again.
    this.unsent.clear();
    try {
      await this.parts.publish(messages.map(({ key, value }) => ({ key, value: Buffer.from(JSON.stringify(value)) })));
    } catch (error) {
      for (const key of keys) this.unsent.add(key);
      throw error;
    }
  }

  /** Without a hash in its id nothing proves that a file here is the binary of another node. */
  private located(wanted: Wanted) {
    const here = wanted.node === this.parts.node;
    const proven = !wanted.binaryId.startsWith('path:');
    return { ...wanted, path: here || proven ? wanted.path : '', pids: here ? wanted.pids : [] };
  }

  private remember(wanted: Wanted, missing: readonly string[]): void {
    this.wait(wanted, missing, new Set(wanted.addresses));
  }

  /** @param answered what of this binary waits no more; the rest goes on waiting */
  private wait(wanted: Wanted, missing: readonly string[], answered: ReadonlySet<string> = new Set()): void {
    const key = `${wanted.kind}\0${wanted.node}\0${wanted.binaryId}`;
    const before = this.waiting.get(key);
    this.forget(key);
    const others = before?.addresses.filter((address) => !answered.has(address)) ?? [];
    const addresses = [...others, ...missing].slice(0, MAX_ADDRESSES);
    if (addresses.length === 0) return;
    this.waiting.set(key, { ...wanted, addresses });
    this.waitingAddresses += addresses.length;
    for (const oldest of this.waiting.keys()) {
      if (this.waiting.size <= MAX_WAITING_BINARIES && this.waitingAddresses <= MAX_WAITING_ADDRESSES) break;
      this.forget(oldest);
    }
  }

  private forget(key: string): void {
    this.waitingAddresses -= this.waiting.get(key)?.addresses.length ?? 0;
    this.waiting.delete(key);
  }

  private assertOpen(): void {
    if (this.closed) throw new Error('the partition is not assigned here any more');
  }
}

/** A binary that comes, or another file of it, may still give a name; a sound binary that does not name an address will not. */
function isOpen({ quality, reason }: { readonly quality: number; readonly reason?: string }): boolean {
  return quality === 0 && reason !== NO_SYMBOL;
}

/** The valid messages of a batch, one entry per binary and node, in the order of their first appearance. */
export function mergeByBinary(messages: readonly StreamMessage[], onInvalid: (reason: string) => void): Wanted[] {
  const merged = new Map<string, { first: AddressesMessage; pids: Set<number>; addresses: Set<string> }>();
  for (const message of messages) {
    const parsed = parseJson(addressesSchema, message.value);
    if (!parsed.ok) {
      onInvalid(parsed.error);
      continue;
    }
    const { kind, binaryId, node, pids, addresses } = parsed.value;
    const key = `${kind}\0${node}\0${binaryId}`;
    let entry = merged.get(key);
    if (!entry) merged.set(key, (entry = { first: parsed.value, pids: new Set(), addresses: new Set() }));
    for (const pid of pids) if (entry.pids.size < MAX_PIDS) entry.pids.add(pid);
    // One spelling each: leading zeros would make two frames of one address.
    for (const address of addresses) entry.addresses.add(BigInt(`0x${address}`).toString(16));
  }
  return [...merged.values()].map(({ first, pids, addresses }) => ({
    ...first,
    pids: [...pids],
    addresses: [...addresses],
  }));
}
