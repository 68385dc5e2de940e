import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createApi } from '@perfleet/api';
import { openStore } from '@perfleet/clickhouse';
import { nodeStateSchema, type NodeState } from '@perfleet/messages';
import { openSqliteNodeState } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { freePort, requireTool, startServerProcess, startWebhook, tempDir, waitFor } from '@perfleet/testing';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { repository } from '../support/workloads.ts';

const missing = ['prometheus', 'prometheus-alertmanager'].map(requireTool).find((tool) => !tool.available);

const state = (change: Partial<NodeState> = {}): NodeState =>
  nodeStateSchema.parse({
    ...{ node: 'worker-7', epoch: '00000000000000aa', startedAt: Date.now(), updatedAt: Date.now() },
    ...{ mode: 'pods', fallback: false, modeReason: '', rung: 1, rungReason: '', rateHz: 19, ...change },
  });

/** The delivered rules with their waits taken out: what is tested is the way, not the patience. */
function hastyRules(path: string): void {
  const rules = parse(readFileSync(join(repository, 'deploy/prometheus/rules.yml'), 'utf8')) as {
    groups: Array<{ interval?: string; rules: Array<{ for?: string }> }>;
  };
  for (const group of rules.groups) {
    group.interval = '1s';
    for (const rule of group.rules) if (rule.for) rule.for = '0s';
  }
  writeFileSync(path, stringify(rules));
  execFileSync('promtool', ['check', 'rules', path], { stdio: 'pipe' });
}

describe.skipIf(missing)(`a node in fallback${missing ? ` (skipped: ${missing.reason})` : ''}`, () => {
  it('reaches a webhook through the api, Prometheus and Alertmanager, firing and resolved', async () => {
    const dir = tempDir();
    const webhook = await startWebhook();
    const store = await openStore({ kind: 'embedded', path: join(dir.path, 'clickhouse') });
    const nodeState = openSqliteNodeState({ path: join(dir.path, 'nodes.db') });
    const api = createApi({ store, nodeState, port: 0, logger: createLogger('api', { level: 'error' }) });
    const { url } = await api.start();
    const fallback = { mode: 'whole-system', fallback: true, modeReason: 'EACCES on /sys/fs/cgroup/kubepods' } as const;
    await nodeState.put(state(fallback));
    await nodeState.heartbeat('worker-7', 'e1', 600_000);

    const alertmanager = await startAlertmanager(webhook.url);
    const prometheus = await startPrometheus(new URL(url).host, alertmanager.host);
    try {
      const told = (status: string) =>
        webhook.messages.flatMap((m) => m.alerts).find((a) => a.status === status && a.labels['node'] === 'worker-7');
      const firing = await waitFor(() => told('firing'), {
        ...{ timeoutMs: 90_000, what: 'the alert at the webhook' },
      });
      expect(firing.labels).toMatchObject({ alertname: 'PerfleetNodeInFallback', severity: 'warning' });
      expect(firing.annotations['summary']).toBe('worker-7 profiles the whole system without pod names');
      expect(webhook.messages[0]!.version).toBe('4');
      await nodeState.put(state());
      await waitFor(() => told('resolved'), { timeoutMs: 90_000, what: 'the all-clear at the webhook' });
      expect(
        webhook.messages.flatMap((m) => m.alerts).filter((a) => a.labels['alertname'] !== 'PerfleetNodeInFallback'),
      ).toEqual([]);
    } finally {
      await prometheus.stop();
      await alertmanager.stop();
      await api.stop();
      await nodeState.close();
      await store.close();
      await webhook.close();
      dir.remove();
    }
  });
});

async function startAlertmanager(webhookUrl: string) {
  const dir = tempDir('perfleet-alertmanager-').path;
  const config = {
    route: {
      receiver: 'hook',
      group_by: ['alertname', 'node'],
      group_wait: '1s',
      group_interval: '1s',
      repeat_interval: '1h',
    },
    receivers: [{ name: 'hook', webhook_configs: [{ url: webhookUrl, send_resolved: true }] }],
  };
  writeFileSync(join(dir, 'config.yml'), stringify(config));
  const host = `127.0.0.1:${await freePort()}`;
  const server = await startServerProcess(dir, 'prometheus-alertmanager', [
    ...[`--config.file=${join(dir, 'config.yml')}`, `--storage.path=${join(dir, 'data')}`],
    ...[`--web.listen-address=${host}`, '--cluster.listen-address='],
  ]);
  await ready(host, () => server.check(), 'Alertmanager');
  return { host, stop: () => server.stop() };
}

/** Without the short resend delay the first notification is lost when Alertmanager was not discovered yet. */
async function startPrometheus(target: string, alertmanager: string) {
  const dir = tempDir('perfleet-prometheus-').path;
  mkdirSync(join(dir, 'data'));
  hastyRules(join(dir, 'rules.yml'));
  const config = parse(readFileSync(join(repository, 'deploy/prometheus/prometheus.yml'), 'utf8')) as Record<
    string,
    unknown
  > & {
    scrape_configs: Array<{ static_configs: Array<{ targets: string[] }> }>;
  };
  config['global'] = { scrape_interval: '1s', evaluation_interval: '1s' };
  config.scrape_configs[0]!.static_configs[0]!.targets = [target];
  config['alerting'] = { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] };
  writeFileSync(join(dir, 'prometheus.yml'), stringify(config));
  const host = `127.0.0.1:${await freePort()}`;
  const server = await startServerProcess(dir, 'prometheus', [
    ...[`--config.file=${join(dir, 'prometheus.yml')}`, `--storage.tsdb.path=${join(dir, 'data')}`],
    ...[`--web.listen-address=${host}`, '--rules.alert.resend-delay=1s'],
  ]);
  await ready(host, () => server.check(), 'Prometheus');
  return { stop: () => server.stop() };
}

function ready(host: string, check: () => void, what: string): Promise<boolean> {
  return waitFor(async () => (check(), (await fetch(`http://${host}/-/ready`)).ok), {
    ...{ timeoutMs: 30_000, what: `${what} to be ready` },
  });
}
