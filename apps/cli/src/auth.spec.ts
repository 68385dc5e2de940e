import { expect, it } from 'vitest';
import { authOf } from './auth.ts';

it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('asks nobody on %s', (host) =>
  expect(authOf({ auth: '' }, { PERFLEET_HTTP_HOST: host })).toBe('none'),
);

it.each(['0.0.0.0', '::', '192.0.2.1', 'perfleet.example.com', '127.0.0.1.example.com'])(
  'needs a decision before it listens on %s',
  (host) => {
    const hosts = { PERFLEET_HTTP_HOST: '127.0.0.1', PERFLEET_OTLP_HOST: host };
    expect(() => authOf({ auth: '' }, hosts)).toThrow(/^PERFLEET_OTLP_HOST=.*set PERFLEET_AUTH=tokens .*=none/);
    for (const auth of ['tokens', 'none'] as const) expect(authOf({ auth }, hosts)).toBe(auth);
  },
);
