import { HISTORY_LIMIT, type NodeStateStore, type RestoredNode } from '@perfleet/node-state';
import { nodeStateSchema } from '@perfleet/messages';
import { ApiError } from '../http/api-error.ts';
import type { AskOptions, Db } from '../queries/db.ts';
import type { KeptItem } from './alert-items.ts';
import type { Crashes, Facts, LastChanges, Shares } from './conditions.ts';
import type { AlertSettings } from './settings.ts';

const SECONDS = 5;
/** Shares read the samples of some minutes: once in so long is enough, for every replica and page together. */
const SHARES_MS = 30_000;
/** How far before the window a message's predecessor is looked for, minutes. A loss told after a longer gap counts from there. */
const LOOK_BACK_MINUTES = 60;
/** A registry that was lost gets back the nodes that were heard of within so many days. */
const RESTORE_DAYS = 30;
/** More than the alerts, acknowledgements and silences of a fleet can be. */
const MAX_KEPT = 100_000;

/** What conditions are made of, read from the registry and, where it answers, from the profile store. */
export class FactReader {
  private readonly stopping = new AbortController();
  private shares: { readonly at: number; readonly value: Promise<ReadonlyMap<string, Shares> | null> } | null = null;

  constructor(
    private readonly nodeState: NodeStateStore,
    private readonly db: Db,
    private readonly settings: Pick<AlertSettings, 'alertCrashMinutes' | 'alertShareMinutes'>,
  ) {}

  /** Queries under way end, and what they would tell is not known: the store is about to close. */
  stop(): void {
    this.stopping.abort(new Error('stopping'));
  }

  /** @throws NodeStateUnavailableError */
  async read(signal?: AbortSignal): Promise<Facts> {
    const [entries, changes, crashes, shares] = await Promise.all([
      this.nodeState.list(),
      this.lastChanges(signal),
      this.recentCrashes(signal),
      this.recentShares(),
    ]);
    return { entries, changes, crashes, shares };
  }

  /** Of the last minutes, at most half a minute old. null while the profile store is away. */
  recentShares(): Promise<ReadonlyMap<string, Shares> | null> {
    const now = Date.now();
    if (!this.shares || now - this.shares.at > SHARES_MS) this.shares = { at: now, value: this.readShares() };
    return this.shares.value;
  }

  /** Every node that events tell of and that did not say goodbye, as it was last known. null while the store is away. */
  async knownNodes(): Promise<RestoredNode[] | null> {
    const rows = await this.ask(
      `SELECT e.state, greatest(e.last, coalesce(d.last, e.last)) FROM (
  SELECT node, argMaxIf(state, time, state != '') AS state, argMax(kind, time) AS kind, max(toUnixTimestamp64Milli(time)) AS last
  FROM node_event_log GROUP BY node HAVING kind != 'stopped' AND state != '') AS e
LEFT JOIN (SELECT node, toNullable(max(toUnixTimestamp64Milli(time))) AS last FROM delivery_log
  WHERE time > now() - INTERVAL ${RESTORE_DAYS} DAY GROUP BY node) AS d ON e.node = d.node
WHERE greatest(e.last, coalesce(d.last, e.last)) > (toUnixTimestamp(now()) - ${RESTORE_DAYS * 86_400}) * 1000`,
    );
    return (
      rows &&
      rows.flatMap(([text, last]) => {
        const state = nodeStateSchema.safeParse(parse(String(text)));
        return state.success ? [{ state: state.data, lastSeen: Number(last) }] : [];
      })
    );
  }

  /** The alert store as its changes tell; those that were removed are left out. null while the store is away. */
  async keptAlerts(): Promise<KeptItem[] | null> {
    const rows = await this.ask(
      `SELECT item, id, body FROM (
  SELECT item, id, argMax(body, (time, \`offset\`)) AS body, argMax(removed, (time, \`offset\`)) AS gone
  FROM alert_change_log WHERE item != 'history' GROUP BY item, id) WHERE gone = 0 LIMIT ${MAX_KEPT}
UNION ALL
SELECT item, id, any(body) FROM alert_change_log WHERE item = 'history' AND time > now() - INTERVAL ${RESTORE_DAYS} DAY
GROUP BY item, id ORDER BY max(time) DESC LIMIT ${HISTORY_LIMIT}`,
    );
    return rows && rows.map(([item, id, body]) => ({ item, id, body }) as KeptItem);
  }

  private async lastChanges(signal?: AbortSignal): Promise<Map<string, LastChanges> | null> {
    const rows = await this.ask(
      `SELECT node, maxIf(toUnixTimestamp64Milli(time), kind = 'mode-changed'), maxIf(toUnixTimestamp64Milli(time), kind = 'rung-changed')
FROM node_event_log WHERE time > now() - INTERVAL 90 DAY GROUP BY node`,
      {},
      signal,
    );
    const moment = (value: unknown) => Number(value) || undefined;
    return (
      rows && new Map(rows.map(([node, mode, rung]) => [String(node), { mode: moment(mode), rung: moment(rung) }]))
    );
  }

  private async recentCrashes(signal?: AbortSignal): Promise<Map<string, Crashes> | null> {
    const rows = await this.ask(
      `SELECT node, count(), min(toUnixTimestamp64Milli(time)), argMax(message, time) FROM node_event_log
WHERE kind IN ('sampler-crashed', 'unclean-exit') AND time > now64(3) - toIntervalSecond({seconds:UInt32}) GROUP BY node`,
      { seconds: Math.round(this.settings.alertCrashMinutes * 60) },
      signal,
    );
    return (
      rows &&
      new Map(
        rows.map(([node, count, first, message]) => [
          String(node),
          { count: Number(count), first: Number(first), lastMessage: String(message) },
        ]),
      )
    );
  }

  /** The views `attributed_samples` and `lost_samples`, the second one bounded in time: a view over everything cannot be. */
  private async readShares(): Promise<ReadonlyMap<string, Shares> | null> {
    const minutes = Math.max(1, Math.round(this.settings.alertShareMinutes));
    const rows = await this.ask(
      `SELECT node, attribution, toInt64(sum(samples)) FROM attributed_samples
WHERE time >= toStartOfMinute(now() - toIntervalMinute({minutes:UInt32})) GROUP BY node, attribution
UNION ALL
SELECT node, 'lost', sum(greatest(toInt64(0), added)) FROM (
  SELECT time, node, if(earlier > 0 OR seq = 1, so_far - before, 0) AS added FROM (
    SELECT time, node, seq, so_far, count() OVER w AS rows_so_far, rows_so_far - 1 AS earlier, lagInFrame(so_far, 1, toInt64(0)) OVER w AS before
    FROM (SELECT time, node, epoch, seq, toInt64(arraySum(mapValues(lost))) - toInt64(lost['filtered']) - toInt64(lost['off-cpu']) AS so_far FROM delivery_log
      WHERE duplicate = 0 AND time >= now() - toIntervalMinute({lookBack:UInt32}))
    WINDOW w AS (PARTITION BY node, epoch ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)))
WHERE time >= toStartOfMinute(now() - toIntervalMinute({minutes:UInt32})) GROUP BY node`,
      { minutes, lookBack: minutes + LOOK_BACK_MINUTES },
    );
    if (!rows) return null;
    const shares = new Map<string, Shares>();
    for (const [node, attribution, samples] of rows) {
      const known = shares.get(String(node)) ?? { pod: 0, container: 0, host: 0, nothing: 0, lost: 0 };
      shares.set(String(node), { ...known, [String(attribution)]: Number(samples) });
    }
    return shares;
  }

  private async ask(sql: string, params: Readonly<Record<string, unknown>> = {}, signal?: AbortSignal) {
    const stopping = this.stopping.signal;
    const options: AskOptions = { seconds: SECONDS, signal: signal ? AbortSignal.any([stopping, signal]) : stopping };
    try {
      return (await this.db.ask(sql, params, options)).rows;
    } catch (error) {
      if (error instanceof ApiError || stopping.aborted) return null;
      throw error;
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
