import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a receiver of Alertmanager's webhook format got, message by message. */
export interface WebhookMessageBody {
  readonly version: string;
  readonly status: string;
  readonly alerts: ReadonlyArray<{
    readonly status: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly startsAt: string;
    readonly endsAt: string;
    readonly fingerprint: string;
  }>;
}

export interface TestWebhook {
  readonly url: string;
  readonly messages: WebhookMessageBody[];
  /** Requests, accepted or not. */
  readonly attempts: number;
  /** Status of the next answers; null = no answer at all. */
  answer(status: number | null): void;
  close(): Promise<void>;
}

/** A receiver of webhooks on loopback. What it refuses it does not keep. */
export async function startWebhook(): Promise<TestWebhook> {
  const messages: WebhookMessageBody[] = [];
  let attempts = 0;
  let status: number | null = 200;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      attempts++;
      if (status === null) return;
      if (status < 300) messages.push(JSON.parse(body) as WebhookMessageBody);
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    messages,
    get attempts() {
      return attempts;
    },
    answer: (next) => (status = next),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
