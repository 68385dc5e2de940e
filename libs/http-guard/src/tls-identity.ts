/** A server that takes another certificate while it listens: those of node:tls, node:https and node:http2. */
export interface SecureServer {
  setSecureContext(options: { cert: string; key: string }): void;
  once(event: 'close', listener: () => void): unknown;
}

/** Who a server is to its clients, PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  /** Hands renewed ones to the server until it closes; without it they stay. */
  follow?(server: SecureServer): void;
}
