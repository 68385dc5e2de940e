import type { PodRecord, Texts } from './model.ts';

/** Set on a pod to choose the service that its profiles belong to; the second is OpenTelemetry's own. */
const SERVICE_ANNOTATIONS = ['perfleet.io/service', 'resource.opentelemetry.io/service.name'];
/** On the mirror of a static pod: the UID that the node's cgroups show. */
const STATIC_UID = ['kubernetes.io/config.hash', 'kubernetes.io/config.mirror'];

/** Annotations that are kept: others (`kubectl apply` puts the whole object there) may have 256 KiB. */
const OWN_ANNOTATION = /^perfleet\.(dev|io)\//;
/** A pod has a handful; what is hostile is cut. */
const MAX_TEXTS = 256;
const MAX_TEXT = 512;

type Json = Record<string, unknown>;
const object = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(object) : []);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Version of a list, from which a watch on it starts; "" = any. */
export function resourceVersionOf(body: unknown): string {
  return text(object(object(body)['metadata'])['resourceVersion']);
}

/** A PodList of the API server or the kubelet. What is not a pod in it is left out. */
export function parsePodList(body: unknown): PodRecord[] {
  const records: PodRecord[] = [];
  for (const item of list(object(body)['items'])) {
    const metadata = object(item['metadata']);
    const [pod, namespace, uid] = [text(metadata['name']), text(metadata['namespace']), text(metadata['uid'])];
    if (!pod || !namespace) continue;
    const annotations = object(metadata['annotations']);
    const uids = [uid, ...STATIC_UID.map((key) => text(annotations[key]))].filter((each) => each !== '');
    const service = serviceOf(metadata, annotations);
    const told = { labels: textsOf(metadata['labels']), annotations: textsOf(annotations, OWN_ANNOTATION) };
    const status = object(item['status']);
    const statuses = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'];
    const containers = statuses
      .flatMap((key) => list(status[key]))
      // `containerd://<id>`; empty while the container is being made.
      .map((each) => ({ name: text(each['name']), id: text(each['containerID']).replace(/^.*:\/\//, '') }))
      .filter(({ name, id }) => name !== '' && id !== '');
    records.push({ uids: [...new Set(uids)], namespace, pod, ...(service && { service }), ...told, containers });
  }
  return records;
}

function textsOf(value: unknown, wanted?: RegExp): Texts {
  const texts = Object.entries(object(value)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && (wanted?.test(entry[0]) ?? true),
  );
  // `fromEntries` defines: a label named `__proto__` is a label.
  return Object.fromEntries(texts.slice(0, MAX_TEXTS).map(([name, text]) => [name, text.slice(0, MAX_TEXT)]));
}

/** A ReplicaSet is named `<deployment>-<hash>`, the Job of a CronJob `<cronjob>-<minutes>`. */
function serviceOf(metadata: Json, annotations: Json): string {
  for (const key of SERVICE_ANNOTATIONS) {
    const value = text(annotations[key]);
    if (value !== '') return value;
  }
  const owners = list(metadata['ownerReferences']);
  const owner = owners.find((each) => each['controller'] === true) ?? owners[0];
  const [kind, name] = [text(owner?.['kind']), text(owner?.['name'])];
  const hash = text(object(metadata['labels'])['pod-template-hash']);
  if (kind === 'ReplicaSet' && hash && name.endsWith(`-${hash}`)) return name.slice(0, -hash.length - 1);
  if (kind === 'Job') return name.replace(/-\d{8,}$/, '');
  // The owner of a static pod's mirror is the node.
  return kind === 'Node' ? '' : name;
}
