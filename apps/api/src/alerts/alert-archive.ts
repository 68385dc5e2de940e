import { HISTORY_LIMIT, type AlertStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import { changesOf, itemsOf, keyOf, storeItems, type KeptItem } from './alert-items.ts';
import type { AlertPublisher } from './alert-publisher.ts';

/** Entries of the history that are read at every look; all of them when none of these is known. */
const NEWEST = 500;
/** What is remembered of items that are gone, and of old entries of the history. */
const MAX_KNOWN = 50_000;

/**
 * Keeps a copy of the alert store in the profile store, by way of the stream, and gives it back to a node state store that
 * lost everything. The leader compares what is with what it has told and tells the difference: whatever was missed, by
 * whichever replica, is told at the next look, and nothing has to be queued while the stream is away.
 */
export class AlertArchive {
  /** What the copy has, as far as this replica told or read it. null = not read since it leads. */
  private known: Map<string, KeptItem> | null = null;
  private telling = false;
  private trouble = '';

  constructor(
    private readonly alerts: AlertStore,
    /** The copy; null while it cannot be read. */
    private readonly read: () => Promise<readonly KeptItem[] | null>,
    private readonly publisher: Pick<AlertPublisher, 'send'> | null,
    private readonly logger: Logger,
  ) {}

  /** For the leader, before it decides anything. Does not wait for the stream. @throws NodeStateUnavailableError */
  async look(): Promise<void> {
    let now = await this.alerts.snapshot(NEWEST);
    if (!now.complete) {
      if (!(await this.restore())) return;
      now = await this.alerts.snapshot(NEWEST);
    }
    this.known ??= await this.copy();
    const { known } = this;
    if (!known) return;
    let items = itemsOf(now);
    // More happened than one look reads.
    if (now.history.length === NEWEST && !items.some((each) => each.item === 'history' && known.has(keyOf(each))))
      items = itemsOf(await this.alerts.snapshot(HISTORY_LIMIT));
    this.tell(known, items);
  }

  /** Another replica leads: what is known here gets old. */
  forget(): void {
    this.known = null;
  }

  /** @returns false: the copy cannot be read and this replica knows of none, so the store stays as incomplete as it is */
  private async restore(): Promise<boolean> {
    const copy = await this.copy();
    if (!copy && !this.known) return false;
    // What this replica told or saw removed may not have reached the copy yet.
    for (const [key, item] of this.known ?? []) copy?.set(key, item);
    const all = copy ?? this.known!;
    const items = storeItems(all.values(), Date.now());
    if (!(await this.alerts.restore(items))) return true;
    this.known = all;
    const { records, acknowledgements, silences } = items;
    const counts = { alerts: records.length, acknowledgements: acknowledgements.length, silences: silences.length };
    if (Object.values(counts).some((count) => count > 0))
      this.logger.warn(counts, 'the alert store was empty; rebuilt from the profile store');
    return true;
  }

  private tell(known: Map<string, KeptItem>, items: readonly KeptItem[]): void {
    const changes = changesOf(known, items);
    if (this.telling || changes.length === 0) return;
    this.telling = true;
    const done = () => {
      for (const { item, id, body } of changes) known.set(`${item} ${id}`, { item, id, body });
      if (known.size > MAX_KNOWN) prune(known);
      if (this.trouble !== '') this.logger.info('changes of alerts are kept again');
      this.trouble = '';
    };
    void Promise.resolve(this.publisher?.send(changes))
      .then(done, (error: unknown) => this.failed(error, 'changes of alerts are not kept; tried again'))
      .finally(() => (this.telling = false));
  }

  private async copy(): Promise<Map<string, KeptItem> | null> {
    try {
      return mapOf(await this.read());
    } catch (error) {
      // Alerts do not need it.
      this.failed(error, 'the copy of the alerts cannot be read; tried again');
      return null;
    }
  }

  private failed(error: unknown, what: string): void {
    const message = error instanceof Error ? error.message : String(error);
    if (this.trouble === '') this.logger.error({ error: message }, what);
    this.trouble = message;
  }
}

function mapOf(items: readonly KeptItem[] | null): Map<string, KeptItem> | null {
  return items && new Map(items.map((item) => [keyOf(item), item]));
}

/** Oldest first: what is gone, then the history. */
function prune(known: Map<string, KeptItem>): void {
  for (const only of [({ body }: KeptItem) => body === '', ({ item }: KeptItem) => item === 'history'])
    for (const [key, item] of known) if (known.size > MAX_KNOWN / 2 && only(item)) known.delete(key);
}
