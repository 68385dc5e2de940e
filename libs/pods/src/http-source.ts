import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { PodSource } from './model.ts';
import { parsePodList } from './pod-list.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;
/** 500 pods of 100 kB. */
const MAX_BODY_BYTES = 64 << 20;

export interface PodListOptions {
  readonly url: string;
  /** Read for every request: the kubelet replaces it. */
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly maxBodyBytes?: number;
}

/** Pods of one node from the API server; needs `list` on pods. */
export function apiServerSource(options: {
  /** e.g. `https://10.96.0.1:443` */
  readonly server: string;
  readonly nodeName: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
}): PodSource {
  const { server, nodeName, ...rest } = options;
  const url = new URL('/api/v1/pods', server);
  url.searchParams.set('fieldSelector', `spec.nodeName=${nodeName}`);
  // From the API server's cache: thousands of nodes ask.
  url.searchParams.set('resourceVersion', '0');
  return podListSource('api-server', { url: url.href, ...rest });
}

/** Pods of this node from its kubelet, e.g. `https://127.0.0.1:10250/pods`; needs `get` on nodes/proxy, or the read-only port. */
export function kubeletSource(options: PodListOptions): PodSource {
  return podListSource('kubelet', options);
}

function podListSource(name: string, options: PodListOptions): PodSource {
  const { url, tokenFile = `${SERVICE_ACCOUNT}/token`, caFile = `${SERVICE_ACCOUNT}/ca.crt` } = options;
  return {
    name,
    async list(signal) {
      const { protocol, hostname } = new URL(url);
      const secure = protocol === 'https:';
      // Never in clear text over a network: the kubelet's read-only port wants none.
      const trusted = secure || LOOPBACK.test(hostname);
      const [token, ca] = await Promise.all([
        trusted ? readFile(tokenFile, 'utf8') : undefined,
        secure ? readFile(caFile) : undefined,
      ]);
      const headers = { accept: 'application/json', ...(token && { authorization: `Bearer ${token.trim()}` }) };
      const body = await get(url, { headers, ca, signal }, options.maxBodyBytes ?? MAX_BODY_BYTES);
      return parsePodList(JSON.parse(body));
    },
  };
}

function get(
  url: string,
  options: { headers: Record<string, string>; ca: Buffer | undefined; signal: AbortSignal },
  maxBytes: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:') ? httpsRequest : httpRequest;
    const sent = request(url, options, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxBytes) response.destroy(new Error(`the answer is larger than ${maxBytes} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode === 200) resolve(body);
        else
          reject(
            new Error(`${new URL(url).pathname} answered ${response.statusCode}: ${refusal(response.statusCode)}`),
          );
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

function refusal(status: number | undefined): string {
  if (status === 401) return 'the service-account token is not accepted';
  if (status === 403) return 'the service account may not list pods; grant it `list` on pods';
  return 'not a list of pods';
}
