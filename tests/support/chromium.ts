import { chromium, type Browser } from 'playwright-core';

/** Debian's Chromium, without what would reach outside of the machine. */
export function launchChromium(): Promise<Browser> {
  const quiet = ['no-sandbox', 'disable-gpu', 'disable-quic', 'no-first-run', 'disable-background-networking'];
  const args = [...quiet, 'disable-component-update', 'disable-sync'].map((flag) => `--${flag}`);
  return chromium.launch({ executablePath: '/usr/bin/chromium', args });
}
