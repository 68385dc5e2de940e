import { keyOf, type PodName, type PodRecord } from './model.ts';

/** A node runs some hundred pods; a source that says otherwise is cut. */
const MAX_PODS = 10_000;

/** The last answer of one source, by UID and by container, and what was in it a while ago. */
export class SourceIndex {
  private readonly byUid = new Map<string, PodRecord>();
  private readonly byContainer = new Map<string, { readonly record: PodRecord; readonly name: string }>();
  /** `goneAt`: when an answer missed the pod first, Infinity while it is in it. */
  private pods = new Map<string, { readonly record: PodRecord; readonly goneAt: number }>();

  constructor(
    private readonly rememberMs: number,
    private readonly now: () => number,
  ) {}

  replace(records: readonly PodRecord[]): void {
    const next: SourceIndex['pods'] = new Map();
    for (const record of records.slice(0, MAX_PODS)) next.set(keyOf(record), { record, goneAt: Infinity });
    const now = this.now();
    for (const [key, { record, goneAt }] of this.pods) {
      const gone = Math.min(goneAt, now);
      if (!next.has(key) && now - gone <= this.rememberMs && next.size < 2 * MAX_PODS)
        next.set(key, { record, goneAt: gone });
    }
    this.pods = next;
    this.byUid.clear();
    this.byContainer.clear();
    // What is there now comes last, and wins over what was.
    for (const { record } of [...next.values()].reverse()) {
      for (const uid of record.uids) this.byUid.set(uid, record);
      for (const { id, name } of record.containers) this.byContainer.set(id, { record, name });
    }
  }

  find(podUid: string | null, containerId: string | null): { record: PodRecord; container?: string } | undefined {
    const container = containerId === null ? undefined : this.byContainer.get(containerId);
    const record = container?.record ?? (podUid === null ? undefined : this.byUid.get(podUid));
    return record && { record, ...(container && { container: container.name }) };
  }
}

/** What the sources know together; an earlier one wins. */
export function findName(
  sources: readonly SourceIndex[],
  podUid: string | null,
  containerId: string | null,
): PodName | undefined {
  let found: PodName | undefined;
  for (const source of sources) {
    const answer = source.find(podUid, containerId);
    if (!answer) continue;
    const { record, container } = answer;
    found = {
      namespace: found?.namespace ?? record.namespace,
      pod: found?.pod ?? record.pod,
      ...optional('container', found?.container ?? container),
      ...optional('service', found?.service ?? record.service),
      ...optional('labels', found?.labels ?? record.labels),
      ...optional('annotations', found?.annotations ?? record.annotations),
    };
  }
  return found;
}

function optional<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return value ? ({ [key]: value } as { [P in K]?: T }) : {};
}
