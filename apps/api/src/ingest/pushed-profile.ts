import {
  LABEL_PREFIX,
  samplesIn,
  type ProfileEncoder,
  type ProfilesEncoder,
  type ResourceEncoder,
  type SpanLink,
} from '@perfleet/otlp';
import type { PprofFrame, PprofProfile, PprofSample } from '@perfleet/pprof';
import { storedType } from '@perfleet/pyroscope';
import { LINK_DIGITS } from '@perfleet/selector';
import { badRequest } from '../http/api-error.ts';
import { checkTime, INGEST_LIMITS } from './limits.ts';
import { MessageParts, type MessagePart } from './message-parts.ts';

export type Labels = ReadonlyArray<readonly [name: string, value: string]>;

/** What a sender says of a profile beside its bytes. */
export interface PushedProfile {
  readonly profile: Pick<
    PprofProfile,
    'sampleTypes' | 'periodType' | 'period' | 'timeNanos' | 'durationNanos' | 'samples'
  >;
  /** Pyroscope's name of the profile: `process_cpu`, `memory`, `mutex`, … */
  readonly name: string;
  readonly labels: Labels;
  /** Who took it, e.g. `gospy`: says what kind of frames these are. */
  readonly spy: string;
  /** Stands in for a profile without a plausible time: Unix nanoseconds. */
  readonly fallbackNanos: bigint;
}

/** Labels that have a place of their own in a series. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  service_name: 'service.name',
  cluster: 'k8s.cluster.name',
  namespace: 'k8s.namespace.name',
  pod: 'k8s.pod.name',
  container: 'k8s.container.name',
  node: 'k8s.node.name',
  hostname: 'host.name',
};

/** `profile.frame.type` by the names of Pyroscope's profilers. */
const KINDS: Readonly<Record<string, string>> = {
  gospy: 'go',
  pyspy: 'cpython',
  rbspy: 'ruby',
  nodespy: 'v8js',
  javaspy: 'jvm',
  dotnetspy: 'dotnet',
  phpspy: 'php',
  'pyroscope-rs': 'rust',
};

/** Labels of single samples that would make a series of every request or thread. Spans and traces are kept as links. */
const NOT_LABELS = /^(__.*|.*(trace|span|profile|thread|process|goroutine)[._ ]?(id|name)|p?tid|pid|thread|bytes)$/i;
/** What its senders call the span and the trace of a sample: Pyroscope's SDKs with an underscore, the older of them `profile_id`. */
const SPAN_LABELS = ['span_id', 'profile_id', 'span id'];
const TRACE_LABELS = ['trace_id', 'trace id'];
const YEAR_2000 = 946_684_800_000_000_000n;

/** The sender's node among its labels, or ''. */
export function nodeOf(labels: Labels): string {
  for (const name of ['node', 'hostname']) {
    const value = labels.find(([label]) => label === name)?.[1];
    if (value) return value;
  }
  return '';
}

/** @throws ApiError 400 */
export function checkLabels(labels: Labels): void {
  const { labels: max, labelNameLength, labelValueLength } = INGEST_LIMITS;
  if (labels.length > max) throw badRequest(`more than ${max} labels`);
  for (const [name, value] of labels) {
    if (name === '' || name.length > labelNameLength)
      throw badRequest(
        `the label name ${JSON.stringify(name.slice(0, 40))} is not 1 to ${labelNameLength} characters long`,
      );
    if (value.length > labelValueLength)
      throw badRequest(`the value of label ${name} is longer than ${labelValueLength} characters`);
  }
}

/**
 * A pprof profile as messages of the stream: each sample type becomes a profile of its own, values above zero a sample each.
 * @throws ApiError 400
 */
export function pushedParts({ profile, name, labels, spy, fallbackNanos }: PushedProfile): MessagePart[] {
  checkLabels(labels);
  const kind = Object.hasOwn(KINDS, spy) ? KINDS[spy]! : 'native';
  const resource = resourceOf(labels);
  const time = profile.timeNanos > YEAR_2000 ? profile.timeNanos : fallbackNanos;
  checkTime(time);
  const labelSets = new Set<string>();
  const parts = new MessageParts((encoder) => new Tables(encoder, kind, resource));
  profile.sampleTypes.forEach(({ type: sampleType, unit }, index) => {
    const type = storedType(name, sampleType);
    // Counted samples with a period of CPU time would be turned into CPU time, which is in the profile too.
    const counted = type === 'samples' && unit === 'count';
    const input = {
      sampleType: { type, unit },
      periodType: counted ? { type: '', unit: '' } : profile.periodType,
      period: counted ? 0 : profile.period,
      timeUnixNano: time,
      durationNano: profile.durationNanos,
    };
    const sum = profile.samples.reduce((all, { values }) => all + Math.max(0, Number(values[index])), 0);
    const max = unit === 'count' ? INGEST_LIMITS.count : INGEST_LIMITS.value;
    if (sum > max) throw badRequest(`the values of ${sampleType} add up to more than ${max}`);
    for (const sample of profile.samples) {
      const value = sample.values[index]!;
      if (value <= 0) continue;
      const link = linkOf(sample.labels);
      const own = sample.labels.filter(
        (l): l is [string, string] => typeof l[1] === 'string' && l[1] !== '' && !NOT_LABELS.test(l[0]),
      );
      if (own.length > 0) {
        checkLabels(own);
        if (labelSets.add(JSON.stringify(own)).size > INGEST_LIMITS.labelSets)
          throw badRequest(`more than ${INGEST_LIMITS.labelSets} distinct label sets in one profile`);
      }
      parts.add(samplesIn(unit, Number(value)), (tables) =>
        tables.profile(index, input).sample(
          tables.stack(sample.stack),
          own.map(([key, text]) => tables.label(key, text)),
          value,
          [],
          link ? tables.link(link) : 0,
        ),
      );
    }
  });
  return parts.finish();
}

/** The span of a sample, or null: labels of that name may hold anything else. */
function linkOf(labels: Required<PprofSample>['labels']): SpanLink | null {
  const id = (names: readonly string[], digits: number) => {
    const form = new RegExp(`^[0-9a-f]{${digits}}$`, 'i');
    for (const name of names) {
      const value = labels.find(([label]) => label === name)?.[1];
      if (typeof value === 'string' && form.test(value)) return value.toLowerCase();
    }
    return '0'.repeat(digits);
  };
  const link = { traceId: id(TRACE_LABELS, LINK_DIGITS.trace_id), spanId: id(SPAN_LABELS, LINK_DIGITS.span_id) };
  return /^0*$/.test(link.traceId + link.spanId) ? null : link;
}

function resourceOf(labels: Labels): Array<readonly [string, string]> {
  const known = labels.filter(([name, value]) => value !== '' && !name.startsWith('__'));
  const service = known.find(([name]) => name === 'service_name')?.[1];
  return [
    ...known.map(
      ([name, value]) => [Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name]! : LABEL_PREFIX + name, value] as const,
    ),
    // A pprof profile names no process; one service's profile is that of its program.
    ...(service === undefined ? [] : [['process.executable.name', service] as const]),
  ];
}

/** Rows of one message. */
class Tables {
  private readonly resource: ResourceEncoder;
  private readonly profiles = new Map<number, ProfileEncoder>();
  private readonly locations = new Map<PprofFrame, number>();

  constructor(
    private readonly encoder: ProfilesEncoder,
    private readonly kind: string,
    resource: Labels,
  ) {
    this.resource = encoder.resource(resource);
  }

  profile(index: number, input: Parameters<ResourceEncoder['profile']>[0]): ProfileEncoder {
    let profile = this.profiles.get(index);
    if (!profile) this.profiles.set(index, (profile = this.resource.profile(input)));
    return profile;
  }

  label(name: string, value: string): number {
    return this.encoder.attribute(Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name]! : LABEL_PREFIX + name, value);
  }

  link(link: SpanLink): number {
    return this.encoder.link(link);
  }

  stack(frames: readonly PprofFrame[]): number {
    return this.encoder.stack(frames.map((frame) => this.location(frame)));
  }

  private location(frame: PprofFrame): number {
    let index = this.locations.get(frame);
    if (index === undefined) {
      const lines = frame.lines.length > 0 ? frame.lines : [{ function: unnamed(frame), file: '', line: 0 }];
      index = this.encoder.location({
        kind: this.kind,
        lines: lines.map((line) => [this.encoder.func(line.function, line.file), line.line] as const),
      });
      this.locations.set(frame, index);
    }
    return index;
  }
}

/** Nobody but the sender could name it: its addresses are those of its own process. */
function unnamed({ address = 0n, mapping }: PprofFrame): string {
  if (!mapping || mapping.path === '') return '[unknown]';
  const file = mapping.path.slice(mapping.path.lastIndexOf('/') + 1);
  const offset = address - (mapping.start ?? 0n) + (mapping.fileOffset ?? 0n);
  return offset > 0n && address !== 0n ? `${file}+0x${offset.toString(16)}` : `[${file}]`;
}
