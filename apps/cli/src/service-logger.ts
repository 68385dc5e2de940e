import { createLogger, type Logger } from '@perfleet/observability';
import type { Settings } from './settings.ts';

export function serviceLogger(settings: Settings, name: string): Logger {
  return createLogger(name, { level: settings.logLevel, pretty: process.stderr.isTTY });
}
