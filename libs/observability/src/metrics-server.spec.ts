import { describe, expect, it } from 'vitest';
import { serveMetrics } from './metrics-server.ts';
import { statsRegistry } from './stats-metrics.ts';

const host = '127.0.0.1';

describe('metrics of a service', () => {
  it('are its stats at the moment of the scrape, beside those of the process', async () => {
    const stats = { rows: 3, reasons: { 'no-file': 2 } as Record<string, number> };
    const registry = statsRegistry(
      () => stats,
      [
        { name: 'perfleet_x_rows_total', help: 'rows', kind: 'counter', value: (s) => s.rows },
        { name: 'perfleet_x_lag', help: 'lag', kind: 'gauge', value: (s) => -s.rows },
        { name: 'perfleet_x_reasons_total', help: 'why', kind: 'counter', label: 'reason', value: (s) => s.reasons },
      ],
    );
    const server = await serveMetrics({ registry, host, port: 0 });
    try {
      const scrape = async () => (await fetch(server.url)).text();
      const first = await scrape();
      expect(first).toContain('\nperfleet_x_rows_total 3\n');
      expect(first).toContain('\nperfleet_x_lag -3\n');
      expect(first).toContain('\nperfleet_x_reasons_total{reason="no-file"} 2\n');
      expect(first).toContain('process_cpu_seconds_total');
      stats.rows = 5;
      stats.reasons['stripped'] = 1;
      const second = await scrape();
      expect(second).toContain('\nperfleet_x_rows_total 5\n');
      expect(second).toContain('\nperfleet_x_reasons_total{reason="stripped"} 1\n');
    } finally {
      await server.close();
    }
    await expect(fetch(server.url)).rejects.toThrow();
  });

  it('answer nothing else, and say what keeps a port from them', async () => {
    const registry = statsRegistry(() => ({}), []);
    const server = await serveMetrics({ registry, host, port: 0 });
    try {
      const at = (path: string, method = 'GET') => fetch(new URL(path, server.url), { method });
      expect((await at('/livez')).status).toBe(200);
      expect((await at('/other')).status).toBe(404);
      expect((await at('/metrics', 'POST')).status).toBe(405);
      const port = Number(new URL(server.url).port);
      await expect(serveMetrics({ registry, host, port })).rejects.toThrow(
        `metrics cannot be served at ${host}:${port} (EADDRINUSE); choose another with --metrics-port`,
      );
    } finally {
      await server.close();
    }
  });
});
