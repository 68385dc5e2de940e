import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ConfigError, variableName } from '@perfleet/config';
import type { SecureServer, TlsIdentity } from '@perfleet/http-guard';
import type { Logger } from '@perfleet/observability';
import type { Settings } from './settings.ts';
import { missing, readSetting } from './uploads/setting-files.ts';

type FileSetting = 'tlsCertFile' | 'tlsKeyFile' | 'uploadTlsCertFile' | 'uploadTlsKeyFile';

/** Certificates live for weeks: a minute is soon. A mounted secret is swapped by links, which no watcher of the file sees. */
const LOOK_MS = 60_000;

/**
 * Certificate and key from two settings; null when neither is set. Files that are renewed are taken without a restart; while they do
 * not belong together, or cannot be read, the last good ones stay.
 * @throws ConfigError that names the variable
 */
export function serverTls(
  settings: Settings,
  [certSetting, keySetting]: readonly [FileSetting, FileSetting],
  logger: Logger,
  lookMs = LOOK_MS,
): TlsIdentity | null {
  const [certFile, keyFile] = [settings[certSetting], settings[keySetting]];
  if (!certFile && !keyFile) return null;
  if (!certFile) throw missing(certSetting, `the certificate of ${variableName(keySetting)}`);
  if (!keyFile) throw missing(keySetting, `the key of ${variableName(certSetting)}`);
  const first = { cert: readSetting(certSetting, certFile), key: readSetting(keySetting, keyFile) };
  try {
    createSecureContext(first);
  } catch (cause) {
    const why = (cause as Error).message;
    throw new ConfigError(
      `bad configuration:\n  ${variableName(certSetting)}=${certFile} and ${variableName(keySetting)}=${keyFile} are no certificate with its key in PEM (${why})`,
    );
  }
  const renewal = new Renewal(certFile, keyFile, first, logger);
  return {
    ...first,
    follow(server) {
      const timer = setInterval(() => renewal.look(server), lookMs);
      timer.unref();
      server.once('close', () => clearInterval(timer));
    },
  };
}

/** What was found in the files last. */
class Renewal {
  /** What each server has. */
  readonly #given = new WeakMap<SecureServer, { cert: string; key: string }>();
  #told = '';

  constructor(
    private readonly certFile: string,
    private readonly keyFile: string,
    private readonly first: { cert: string; key: string },
    private readonly logger: Logger,
  ) {}

  look(server: SecureServer): void {
    const had = this.#given.get(server) ?? this.first;
    try {
      const now = { cert: readFileSync(this.certFile, 'utf8'), key: readFileSync(this.keyFile, 'utf8') };
      if (now.cert === had.cert && now.key === had.key) return;
      createSecureContext(now);
      server.setSecureContext(now);
      this.#given.set(server, now);
      this.#told = '';
      this.logger.info({ file: this.certFile }, 'the renewed certificate is used');
    } catch (cause) {
      const error = (cause as Error).message;
      if (error === this.#told) return;
      this.#told = error;
      this.logger.warn({ file: this.certFile, error }, 'the certificate cannot be renewed: the last good one stays');
    }
  }
}
