import { parseFleetConfig } from '@perfleet/fleet-config';
import {
  ConfigUnreadableError,
  NodeStateUnavailableError,
  type ConfigRevision,
  type ConfigStore,
} from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import { LastGoodFile, messageOf, type KnownConfig } from './last-good.ts';

export interface ConfigKeeperOptions {
  readonly store: ConfigStore;
  readonly dataDir: string;
  readonly logger: Logger;
  /** A valid document came in force: at the start the one that this node had before, later those of the store. */
  readonly onChange: (known: KnownConfig, from: 'disk' | 'store') => void;
  /** What is in the store is not used; said once for each. */
  readonly onRefused: (message: string) => void;
  /** Between two looks at the store, milliseconds. */
  readonly everyMs?: number;
}

/**
 * Keeps the newest valid configuration document: in force from the node's disk at once, from the store as soon as it answers.
 * Whatever is wrong with the store, its document or the disk, the last good document stays in force; nothing here throws.
 */
export class ConfigKeeper {
  /** What is in force; null = nothing was ever configured. */
  known: KnownConfig | null = null;
  /** Why that is not what the store holds; "" when it is. */
  error = '';
  private readonly file: LastGoodFile;
  private timer: NodeJS.Timeout | null = null;
  private looking: Promise<void> | null = null;
  private stopped = false;
  /** What the store held when it was last looked at: refused documents are not fetched again and again. */
  private seen: ConfigRevision | null = null;

  constructor(private readonly options: ConfigKeeperOptions) {
    this.file = new LastGoodFile(options.dataDir);
  }

  /** Resolves after the first look at the store, whatever came of it. */
  async start(): Promise<void> {
    try {
      const copy = this.file.read();
      if (copy) {
        this.seen = copy.revision;
        this.take(copy, 'disk');
      }
    } catch (error) {
      this.options.logger.warn(messageOf(error));
    }
    await this.look();
    if (this.stopped) return;
    this.timer = setInterval(() => void this.look(), this.options.everyMs ?? 5000);
    this.timer.unref();
  }

  stop(): void {
    this.stopped = true;
    if (this.timer) clearInterval(this.timer);
  }

  /** Looks at the store now; a look that is under way is joined. */
  look(): Promise<void> {
    return (this.looking ??= this.lookOnce().finally(() => (this.looking = null)));
  }

  private async lookOnce(): Promise<void> {
    const { store } = this.options;
    try {
      const revision = await store.revision();
      if (!revision) {
        this.seen = null;
        if (this.known)
          this.refuse('the store holds no configuration any more (if that is meant, set an empty one: {})');
        return;
      }
      if (same(revision, this.seen)) {
        if (same(revision, this.known?.revision)) this.error = '';
        return;
      }
      const found = await store.get();
      if (!found) return;
      const { version, changedAt, document } = found;
      this.seen = { version, changedAt };
      const parsed = parseFleetConfig(document);
      if (!parsed.ok) return this.refuse(`version ${version} in the store is not valid: ${parsed.errors.join('; ')}`);
      const known = { revision: this.seen, document: parsed.value };
      this.keep(known);
      this.take(known, 'store');
    } catch (error) {
      // A store that is away says nothing about the document, and the reporter says that it is away.
      if (error instanceof ConfigUnreadableError) this.refuse(error.message);
      else if (!(error instanceof NodeStateUnavailableError))
        this.options.logger.error(`the configuration could not be looked at: ${messageOf(error)}`);
    }
  }

  private take(known: KnownConfig, from: 'disk' | 'store'): void {
    if (this.stopped) return;
    this.known = known;
    this.error = '';
    this.options.onChange(known, from);
  }

  private refuse(why: string): void {
    const stays = this.known
      ? `version ${this.known.revision.version} stays in force`
      : 'the settings of the collector stay in force';
    const message = `configuration refused: ${why}; ${stays}`.slice(0, 1000);
    if (message === this.error || this.stopped) return;
    this.error = message;
    this.options.logger.error(message);
    this.options.onRefused(message);
  }

  private keep(known: KnownConfig): void {
    try {
      this.file.write(known);
    } catch (error) {
      this.options.logger.warn(`the configuration could not be kept on disk: ${messageOf(error)}`);
    }
  }
}

function same(a: ConfigRevision, b: ConfigRevision | null | undefined): boolean {
  return a.version === b?.version && a.changedAt === b.changedAt;
}
