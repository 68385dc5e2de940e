import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { PodRecord, PodSource } from './model.ts';
import { parsePodList, resourceVersionOf } from './pod-list.ts';
import { readPodWatch } from './pod-watch.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;
/** 500 pods of 100 kB. */
const MAX_BODY_BYTES = 64 << 20;
/** The server ends a watch after this, as client-go asks for; a server that does not is left a while later. */
const WATCH_SECONDS = 300;
const WATCH_GRACE_SECONDS = 15;
/**
 * A watch that allows bookmarks has one about every minute (kube-apiserver's watch cache), whatever happens: after a longer
 * silence the pods are listed again. A server that sends none is asked for a list so often.
 */
const SILENT_MS = 90_000;
/** TCP asks a silent peer after this, and gives it up ten seconds later: a half-open connection is seen before a silent one. */
const KEEP_ALIVE_MS = 15_000;
/** For the begin of an answer. */
const ANSWER_MS = 10_000;

export interface PodListOptions {
  readonly url: string;
  /** Read for every request: the kubelet replaces it. */
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly maxBodyBytes?: number;
}

/** Pods of one node from the API server, followed as they change; needs `list` and, for following, `watch` on pods. */
export function apiServerSource(options: {
  /** e.g. `https://10.96.0.1:443` */
  readonly server: string;
  readonly nodeName: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  /** A watch without a byte for so long hangs, milliseconds. */
  readonly silentMs?: number;
}): PodSource {
  const { server, nodeName, silentMs = SILENT_MS, ...files } = options;
  const url = new URL('/api/v1/pods', server);
  url.searchParams.set('fieldSelector', `spec.nodeName=${nodeName}`);
  let listed: readonly PodRecord[] = [];
  let version = '';
  return {
    name: 'api-server',
    readsLabels: true,
    async list(signal) {
      // From the API server's cache: thousands of nodes ask.
      const body = JSON.parse(await get(withParameters(url, { resourceVersion: '0' }), files, signal)) as unknown;
      version = resourceVersionOf(body);
      return (listed = parsePodList(body));
    },
    async follow(signal, onRecords) {
      const timeoutSeconds = String(WATCH_SECONDS);
      const parameters = { watch: '1', allowWatchBookmarks: 'true', resourceVersion: version, timeoutSeconds };
      const deadline = AbortSignal.timeout((WATCH_SECONDS + WATCH_GRACE_SECONDS) * 1000);
      const response = await open(withParameters(url, parameters), files, AbortSignal.any([signal, deadline]));
      response.setTimeout(silentMs, () => response.destroy(new Error(`the watch is silent for ${silentMs} ms`)));
      await readPodWatch(response, listed, onRecords);
    },
  };
}

/** Pods of this node from its kubelet, e.g. `https://127.0.0.1:10250/pods`; needs `get` on nodes/proxy, or the read-only port. */
export function kubeletSource(options: PodListOptions): PodSource {
  return {
    name: 'kubelet',
    readsLabels: true,
    list: async (signal) => parsePodList(JSON.parse(await get(options.url, options, signal))),
  };
}

function withParameters(url: URL, parameters: Readonly<Record<string, string>>): string {
  const copy = new URL(url);
  for (const [name, value] of Object.entries(parameters)) copy.searchParams.set(name, value);
  return copy.href;
}

type Access = Omit<PodListOptions, 'url'>;

/** @throws what the answer is instead of 200, and what to grant */
async function open(url: string, access: Access, signal: AbortSignal): Promise<IncomingMessage> {
  const { tokenFile = `${SERVICE_ACCOUNT}/token`, caFile = `${SERVICE_ACCOUNT}/ca.crt` } = access;
  const { protocol, hostname, pathname } = new URL(url);
  const secure = protocol === 'https:';
  // Never in clear text over a network: the kubelet's read-only port wants none.
  const trusted = secure || LOOPBACK.test(hostname);
  const [token, ca] = await Promise.all([
    trusted ? readFile(tokenFile, 'utf8') : undefined,
    secure ? readFile(caFile) : undefined,
  ]);
  const headers = { accept: 'application/json', ...(token && { authorization: `Bearer ${token.trim()}` }) };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = (secure ? httpsRequest : httpRequest)(url, { headers, ca, signal }, resolve);
    request.on('error', reject);
    request.setSocketKeepAlive(true, KEEP_ALIVE_MS);
    request.setTimeout(ANSWER_MS, () => request.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
    request.end();
  });
  if (response.statusCode === 200) return response;
  response.resume();
  throw new Error(`${pathname} answered ${response.statusCode}: ${refusal(response.statusCode)}`);
}

async function get(url: string, access: Access, signal: AbortSignal): Promise<string> {
  const maxBytes = access.maxBodyBytes ?? MAX_BODY_BYTES;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of (await open(url, access, signal)) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function refusal(status: number | undefined): string {
  if (status === 401) return 'the service-account token is not accepted';
  if (status === 403) return 'the service account may not list pods; grant it `list` on pods';
  return 'not a list of pods';
}
