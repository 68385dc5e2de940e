/** What a source of names knows. `container` is absent for a process of the pod that is in none of its containers. */
export interface PodName {
  readonly namespace: string;
  readonly pod: string;
  readonly container?: string;
  /** By annotation, else by owner workload. */
  readonly service?: string;
  /** Of the pod; absent while no source that reads them knows it. */
  readonly labels?: Texts;
  /** Of the pod, Perfleet's own only. */
  readonly annotations?: Texts;
}

export type Texts = Readonly<Record<string, string>>;

/** One pod as a source lists it. */
export interface PodRecord {
  /** All UIDs that cgroups may show for it; empty when the source knows none. */
  readonly uids: readonly string[];
  readonly namespace: string;
  readonly pod: string;
  readonly service?: string;
  /** Both are absent when the source does not read them. Of the annotations only Perfleet's own are kept. */
  readonly labels?: Texts;
  readonly annotations?: Texts;
  readonly containers: ReadonlyArray<{ readonly id: string; readonly name: string }>;
}

/** Where names come from. `list` rejects when the source cannot answer; it must heed the signal. */
export interface PodSource {
  readonly name: string;
  /** It reads labels and annotations. */
  readonly readsLabels?: boolean;
  list(signal: AbortSignal): Promise<readonly PodRecord[]>;
  /**
   * Tells of changes since the last list, each time with all pods. It ends in any way and at any time; then the pods
   * are listed anew.
   */
  follow?(signal: AbortSignal, onRecords: (records: readonly PodRecord[]) => void): Promise<void>;
}

/** A pod that was made anew under its old name is another one. */
export function keyOf({ namespace, pod, uids }: PodRecord): string {
  return `${namespace}/${pod}/${uids[0] ?? ''}`;
}

export interface SourceStatus {
  readonly source: string;
  readonly ok: boolean;
  /** Why the last attempt failed; empty when it did not. */
  readonly error: string;
  /** Unix milliseconds of the last answer, null = never. What it said stays in use. */
  readonly answeredAt: number | null;
  /** Pods of the last answer. */
  readonly pods: number;
  /** It reads labels and annotations of pods. */
  readonly readsLabels?: boolean;
}
