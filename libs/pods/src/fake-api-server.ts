import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface FakePod {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly container?: { readonly name: string; readonly id: string };
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What is wrong with the server at the moment. */
export type Trouble = 'none' | 'hangs' | '500' | 'garbage' | 'cuts lists';

/**
 * A strict API server for pods of one node: it answers what `GET /api/v1/pods` with this field selector, this token and
 * a known version may be asked, and refuses everything else. A cannot-be-had real one is the only thing it replaces.
 */
export class FakeApiServer {
  trouble: Trouble = 'none';
  /** How long after a change its watchers hear of it, milliseconds. */
  lagMs = 0;
  /** Requests that were not as they must be. */
  readonly refused: string[] = [];
  lists = 0;
  /** Watches that were muted and that nobody has left yet. */
  muted = 0;
  watches = 0;
  private pods = new Map<string, FakePod>();
  private version = 100;
  /** What a watch from an older version is told first. */
  private readonly log: Array<{ readonly version: number; readonly event: unknown }> = [];
  private open = new Set<ServerResponse>();
  private readonly server: Server;

  constructor(
    private readonly expected: { readonly node: string; readonly token: string },
    private readonly tls?: { readonly key: string; readonly cert: string },
  ) {
    const answer = (request: IncomingMessage, response: ServerResponse) => this.answer(request, response);
    this.server = tls ? createTlsServer(tls, answer) : createServer(answer);
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `${this.tls ? 'https' : 'http'}://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get watchers(): number {
    return this.open.size;
  }

  put(pod: FakePod): void {
    const type = this.pods.has(pod.uid) ? 'MODIFIED' : 'ADDED';
    this.pods.set(pod.uid, pod);
    this.version++;
    this.announce({ type, object: this.object(pod) });
  }

  delete(uid: string): void {
    const pod = this.pods.get(uid)!;
    this.pods.delete(uid);
    this.version++;
    this.announce({ type: 'DELETED', object: this.object(pod) });
  }

  /** Adds one that no watch tells of: only a list shows it. */
  putSilently(pod: FakePod): void {
    this.pods.set(pod.uid, pod);
    this.version++;
  }

  /** Open watches hear nothing any more and stay open, as when the way to the server is cut. */
  muteWatches(): void {
    this.muted += this.open.size;
    this.open.clear();
  }

  /** What a real one sends to every watch about once in a minute. */
  sendBookmarks(): void {
    for (const response of this.open) send(response, this.bookmark());
  }

  /** Ends all watches: in order, by reset, or because their version is too old. */
  endWatches(how: 'closes' | 'resets' | 'gone'): void {
    for (const response of this.open) {
      if (how === 'resets') response.destroy();
      else if (how === 'closes') response.end();
      else
        response.end(
          `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } })}\n`,
        );
    }
    this.open.clear();
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, 'http://x');
    const query = Object.fromEntries(url.searchParams);
    const wrong =
      request.method !== 'GET' || url.pathname !== '/api/v1/pods'
        ? `${request.method} ${url.pathname}`
        : query['fieldSelector'] !== `spec.nodeName=${this.expected.node}`
          ? `fieldSelector ${query['fieldSelector']}`
          : request.headers.authorization !== `Bearer ${this.expected.token}`
            ? 'authorization'
            : query['watch'] && !(Number(query['resourceVersion']) >= 100)
              ? `a watch from version ${query['resourceVersion']}`
              : query['watch'] && !(Number(query['timeoutSeconds']) > 0 && Number(query['timeoutSeconds']) <= 600)
                ? `a watch for ${query['timeoutSeconds']} s`
                : query['watch'] && query['allowWatchBookmarks'] !== 'true'
                  ? 'a watch without bookmarks'
                  : '';
    if (wrong) {
      this.refused.push(wrong);
      return void response.writeHead(403).end();
    }
    if (query['watch']) this.watches++;
    else this.lists++;
    if (this.trouble === 'hangs') return;
    if (this.trouble === '500') return void response.writeHead(500).end('{"kind":"Status"}');
    if (this.trouble === 'garbage') return void response.end('{"items": [');
    if (this.trouble === 'cuts lists') {
      response.writeHead(200, { 'content-length': '1000' });
      return void response.write('{"items"', () => response.destroy());
    }
    if (!query['watch']) {
      const items = [...this.pods.values()].map((pod) => this.object(pod));
      const list = { kind: 'PodList', metadata: { resourceVersion: String(this.version) }, items };
      return void response.end(JSON.stringify(list));
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    this.open.add(response);
    response.on('close', () => {
      if (!this.open.delete(response) && this.muted > 0) this.muted--;
    });
    for (const { version, event } of this.log) if (version > Number(query['resourceVersion'])) send(response, event);
    send(response, this.bookmark());
  }

  private bookmark(): unknown {
    return { type: 'BOOKMARK', object: { kind: 'Pod', metadata: { resourceVersion: String(this.version) } } };
  }

  private announce(event: unknown): void {
    this.log.push({ version: this.version, event });
    for (const response of this.open) {
      if (this.lagMs === 0) send(response, event);
      else setTimeout(() => send(response, event), this.lagMs);
    }
  }

  private object({ name, namespace, uid, container, labels, annotations }: FakePod) {
    const statuses = container ? [{ name: container.name, containerID: `containerd://${container.id}` }] : [];
    const metadata = { name, namespace, uid, resourceVersion: String(this.version), labels, annotations };
    return { kind: 'Pod', metadata, status: { containerStatuses: statuses } };
  }
}

/** In two pieces: a line may come in any number of them. */
function send(response: ServerResponse, event: unknown): void {
  const line = `${JSON.stringify(event)}\n`;
  response.write(line.slice(0, 20));
  response.write(line.slice(20));
}
