import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createApi, type Api } from '@perfleet/api';
import { openStore, type Store } from '@perfleet/clickhouse';
import { seriesId } from '@perfleet/ids';
import { nodeStateSchema, type NodeState } from '@perfleet/messages';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { requireTool, tempDir, waitFor } from '@perfleet/testing';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { runPerfleet } from '../support/perfleet.ts';
import { repository } from '../support/workloads.ts';

const tool = requireTool('chromium');
const NODES = 10_000;
const DENIED = 37;
const NOW = Date.now();
const hex = (n: number, length: number) =>
  (BigInt(n + 1) * 0x9e3779b97f4a7c15n).toString(16).padStart(40, '0').slice(-length);

/** A fleet as an operator knows it: most nodes well, some in trouble for a handful of causes. */
function synthetic(i: number): { state: NodeState; alive: boolean } {
  const node = `${['web', 'batch', 'gpu'][i % 3]}-${String(i).padStart(5, '0')}`;
  const base = {
    ...{
      node,
      cluster: i < 6000 ? 'eu-west' : 'us-east',
      epoch: hex(i, 16),
      startedAt: NOW - 86_400_000,
      updatedAt: NOW,
    },
    ...{ mode: 'pods', fallback: false, modeReason: 'pods under /kubepods.slice', rung: 1, rungReason: '', rateHz: 19 },
    ...{
      kernel: '6.1.0-18-amd64',
      cgroupVersion: 'v2',
      podRoots: ['/kubepods.slice'],
      kubeletMismatches: i === 3 ? ['the kubelet declares cgroupRoot: /pods'] : [],
      cpus: 16,
      taken: 1_000_000 + i,
      published: 990_000,
      lost: { throttled: i % 50 },
    },
  };
  const pod = `pod${hex(i, 8)}-1111-2222-3333-${hex(i, 12)}`;
  const denied = { mode: 'whole-system', fallback: true, modeReason: `EACCES on /sys/fs/cgroup/kubepods.slice/${pod}` };
  const change =
    i % 270 === 3 && i / 270 < DENIED
      ? denied
      : i % 400 === 7
        ? { rung: 2, rungReason: 'no BTF: /sys/kernel/btf/vmlinux is missing' }
        : i % 900 === 11
          ? {
              rung: 4,
              rungReason: `perf_event_paranoid is 3 and CAP_PERFMON is missing (pid ${i})`,
              restarts: 4,
              lastExit: `sampler ended by signal SIGSEGV after ${i}.5 s`,
            }
          : i % 333 === 5
            ? { mode: 'containers-only', fallback: true, modeReason: 'containers found, no pod directory' }
            : i % 25 === 0
              ? { mode: 'whole-system', modeReason: 'no sign of Kubernetes' }
              : {};
  return { state: nodeStateSchema.parse({ ...base, ...change }), alive: i % 500 !== 13 };
}

describe.skipIf(!tool.available)(
  `a fleet of ${NODES} nodes${tool.available ? '' : ` (skipped: ${tool.reason})`}`,
  () => {
    const dir = tempDir();
    const shots = join(repository, '.cache');
    const fleet = Array.from({ length: NODES }, (_, i) => synthetic(i));
    const picked = 'web-00003';
    const errors: string[] = [];
    let store: Store;
    let nodeState: NodeStateStore;
    let api: Api;
    let url: string;
    let browser: Browser;
    let page: Page;

    beforeAll(async () => {
      mkdirSync(shots, { recursive: true });
      store = await openStore({ kind: 'embedded', path: join(dir.path, 'clickhouse') });
      nodeState = openSqliteNodeState({ path: join(dir.path, 'nodes.db') });
      await nodeState.restore(fleet.map(({ state }) => ({ state, lastSeen: NOW - 300_000 })));
      for (const { state, alive } of fleet) if (alive) await nodeState.heartbeat(state.node, state.epoch, 3_600_000);
      await story(store, fleet[3]!.state);
      const webRoot = join(repository, 'apps/web/dist');
      api = createApi({ store, nodeState, webRoot, port: 0, logger: createLogger('api', { level: 'silent' }) });
      ({ url } = await api.start());
      browser = await launchChromium();
      page = await browser.newPage({ viewport: { width: 1400, height: 1000 }, colorScheme: 'dark' });
      page.on('pageerror', (error) => errors.push(String(error)));
      page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
      await page.goto(`${url}/#page=nodes`);
      await grid().waitFor({ timeout: 30_000 });
    });
    afterAll(async () => {
      await browser?.close();
      await api?.stop();
      await nodeState?.close();
      await store?.close();
      dir.remove();
    });

    const grid = () => page.locator('.fleet-canvas canvas[role=img]');
    const count = async () => Number(await grid().getAttribute('data-cells'));
    const shown = (n: number, what: string) => waitFor(async () => (await count()) === n, { timeoutMs: 10_000, what });
    /** Where the cell of the i-th shown node is. */
    async function cell(i: number) {
      const [size, columns] = await Promise.all(
        ['data-cell-size', 'data-columns'].map((name) => grid().getAttribute(name)),
      );
      const [s, c] = [Number(size), Number(columns)];
      return { x: (i % c) * s + s / 2 - 0.5, y: Math.floor(i / c) * s + s / 2 - 0.5 };
    }
    const ordered = [...fleet].sort((a, b) =>
      a.state.cluster + a.state.node < b.state.cluster + b.state.node ? -1 : 1,
    );
    const indexOf = (node: string) => ordered.findIndex(({ state }) => state.node === node);

    it('draws every node and tells about the one under the pointer', async () => {
      expect(await count()).toBe(NODES);
      for (const node of [picked, 'gpu-09989']) {
        await grid().hover({ position: await cell(indexOf(node)) });
        await waitFor(async () => ((await page.getByRole('tooltip').textContent()) ?? '').startsWith(node), {
          ...{ timeoutMs: 10_000, what: `the tooltip of ${node}` },
        });
      }
      await page.screenshot({ path: join(shots, 'fleet.png') });
    });

    it('paints a node in the colour of what it is', async () => {
      const color = (i: number) =>
        cell(i).then((at) =>
          page.evaluate(({ x, y }) => {
            const canvas = document.querySelector<HTMLCanvasElement>('.fleet-canvas canvas')!;
            const ratio = canvas.width / canvas.clientWidth;
            return [...canvas.getContext('2d')!.getImageData(x * ratio, y * ratio, 1, 1).data].slice(0, 3).join();
          }, at),
        );
      expect(await color(indexOf(picked))).toBe('255,178,36');
      expect(await color(indexOf('batch-00001'))).toBe('31,122,90');
    });

    it('costs little per frame while the pointer moves (measured, not asserted)', async () => {
      const box = (await grid().boundingBox())!;
      await page.evaluate(() => {
        performance.clearMeasures('fleet-marks');
        const frames: number[] = ((window as unknown as { frames: number[] }).frames = []);
        let last = performance.now();
        const tick = (now: number) => {
          frames.push(now - last);
          last = now;
          requestAnimationFrame(tick);
        };
        requestAnimationFrame(tick);
      });
      for (let i = 0; i < 150; i++)
        await page.mouse.move(box.x + ((i * 37) % box.width), box.y + ((i * 13) % box.height));
      // The fleet is asked for again every few seconds: its cells are painted anew.
      const painted = () => page.evaluate(() => performance.getEntriesByName('fleet-cells').length);
      const before = await painted();
      await waitFor(async () => (await painted()) > before, { timeoutMs: 60_000, what: 'another painting' });
      const measured = await page.evaluate(() => {
        const of = (name: string) => performance.getEntriesByName(name).map((entry) => entry.duration);
        const { frames } = window as unknown as { frames: number[] };
        return { frames, marks: of('fleet-marks'), cells: of('fleet-cells') };
      });
      expect(measured.marks.length, 'hovering draws marks').toBeGreaterThan(20);
      const rank = (values: number[], share: number) =>
        [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;
      const say = (values: number[]) =>
        `median ${rank(values, 0.5).toFixed(1)} ms, 95 % ${rank(values, 0.95).toFixed(1)} ms, longest ${Math.max(...values).toFixed(1)} ms (${values.length})`;
      process.stderr.write(
        `fleet of ${NODES}: frame ${say(measured.frames)}; marks ${say(measured.marks)}; cells ${say(measured.cells)}\n`,
      );
    });

    it('groups reasons by cause, and shows the nodes of one', async () => {
      const cause = page.getByRole('button', { name: /EACCES on/ });
      expect(await cause.textContent()).toContain(`${DENIED} nodes`);
      expect(await cause.textContent()).toContain('EACCES on /sys/fs/cgroup/kubepods.slice/pod*');
      await cause.click();
      await shown(DENIED, 'the nodes of the cause');
      await page.screenshot({ path: join(shots, 'fleet-cause.png') });
      await cause.click();
      await shown(NODES, 'all nodes again');
      const declared = page.getByRole('button', { name: /the kubelet declares cgroupRoot: \/pods/ });
      expect(await declared.textContent()).toContain('1 nodekubelet');
      await declared.click();
      await shown(1, 'the node whose kubelet declares something else');
      await declared.click();
      await shown(NODES, 'all nodes once more');
    });

    it('filters by text, mode, rung and heartbeat', async () => {
      await page.getByPlaceholder('name, cluster, kernel or reason').fill('gpu us-east');
      await shown(
        fleet.filter(({ state }) => state.node.startsWith('gpu') && state.cluster === 'us-east').length,
        'text',
      );
      await page.getByPlaceholder('name, cluster, kernel or reason').fill('');
      await page.getByLabel('heartbeat', { exact: true }).selectOption('silent');
      await shown(fleet.filter((n) => !n.alive).length, 'silent nodes');
      await page.getByLabel('heartbeat', { exact: true }).selectOption('');
      await page.getByLabel('rung', { exact: true }).selectOption('4');
      await shown(fleet.filter(({ state }) => state.rung === 4).length, 'rung 4');
      await page.getByLabel('rung', { exact: true }).selectOption('');
      await page.getByLabel('mode', { exact: true }).selectOption('fallback');
      await shown(fleet.filter(({ state }) => state.fallback).length, 'nodes in fallback');
      await page.getByLabel('mode', { exact: true }).selectOption('');
      await shown(NODES, 'all nodes');
    });

    it('opens a node: its lanes, its events, its coverage', async () => {
      await grid().click({ position: await cell(indexOf(picked)) });
      const detail = page.getByRole('region', { name: `Node ${picked}` });
      await detail.locator('.events .pill', { hasText: 'sampler-crashed' }).first().waitFor({ timeout: 15_000 });
      expect(await detail.locator('circle.crash').count()).toBe(3);
      expect(await detail.locator('.lanes title').allTextContents()).toContainEqual(
        expect.stringContaining('whole-system (fallback)'),
      );
      expect(await detail.locator('.legend').textContent()).toMatch(/pod 7\d\.\d %.*lost \d/);
      const facts = (await detail.locator('.facts > div').allTextContents()).join('\n');
      expect(facts).toContain('pod roots/kubepods.slice');
      expect(facts).toContain('kubeletthe kubelet declares cgroupRoot: /pods');
      await page.mouse.move(5, 5);
      await detail.screenshot({ path: join(shots, 'node.png') });
      await detail.getByRole('button', { name: 'close' }).click();
    });

    it('lists alerts, takes an acknowledgement and a silence', async () => {
      await page.getByRole('button', { name: /^Alerts/ }).click();
      await page.getByTestId('alert-count').waitFor({ timeout: 20_000 });
      await page.getByPlaceholder('for acknowledgements').fill('ada');
      await page.getByPlaceholder('node, cluster or reason').fill(picked);
      const row = page.locator('table.alerts tr', { hasText: 'fallback' });
      await row.getByRole('button', { name: 'acknowledge' }).click();
      await row.getByText('acknowledged by ada').waitFor({ timeout: 15_000 });
      await row.getByLabel(`silence fallback of ${picked}`).selectOption('60');
      await row.getByText('silenced until').waitFor({ timeout: 15_000 });
      await page.getByPlaceholder('node, cluster or reason').fill('');
      await page.screenshot({ path: join(shots, 'alerts.png') });
      await page.getByRole('button', { name: 'end it' }).click();
      await page.getByRole('region', { name: 'Silences' }).waitFor({ state: 'detached', timeout: 15_000 });
      const history = (await (await fetch(`${url}/api/v1/alerts/history?limit=3`)).json()) as {
        history: Array<{ what: string }>;
      };
      expect(history.history.map((h) => h.what)).toEqual(['unsilenced', 'silenced', 'acknowledged']);
    });

    it('is told by the terminal too', async () => {
      const run = await runPerfleet(['nodes', '--server', url]);
      expect(run.code, run.err).toBe(0);
      expect(run.out).toContain(`${DENIED} nodes: fallback: EACCES on /sys/fs/cgroup/kubepods.slice/pod*`);
      expect(run.out).toContain('1 node: kubelet: the kubelet declares cgroupRoot: /pods\n');
      expect(run.out).toMatch(/web-00003 +\d+ (s|min) +whole-system \(fallback\)/);
    });

    it('is told as JSON: every last word, those in trouble, and the causes', async () => {
      const json = async (...flags: string[]) => {
        const run = await runPerfleet(['nodes', '--json', ...flags, '--server', url]);
        expect(run.code, run.err).toBe(0);
        return JSON.parse(run.out) as Array<Record<string, unknown>>;
      };
      expect(await json()).toHaveLength(NODES);
      expect((await json('--trouble')).map((n) => n['node'])).toContain(picked);
      expect((await json('--causes'))[0]).toMatchObject({ kind: 'fallback', nodes: { length: DENIED } });
    });

    it('logs no error in the console', () => expect(errors).toEqual([]));
  },
);

/** Six hours of one node: well, then three crashes and a rung down, then fallback; pods until then. */
async function story(store: Store, state: NodeState): Promise<void> {
  const at = (minutesAgo: number) => `toDateTime64(${Math.round(NOW / 1000 - minutesAgo * 60)}, 3)`;
  const event = (minutesAgo: number, kind: string, message: string, change: Partial<NodeState>) =>
    `(${at(minutesAgo)}, '${state.node}', '${state.epoch}', '${kind}', '${message}', '${JSON.stringify({ ...state, ...change })}')`;
  const well = { mode: 'pods', fallback: false, rung: 1 } as const;
  const lower = { ...well, rung: 2 };
  const crash = 'sampler on rung 1 ended by signal SIGSEGV after 61.0 s';
  const events = [
    event(500, 'started', 'mode pods', well),
    ...[230, 228, 226].map((m) => event(m, 'sampler-crashed', crash, well)),
    event(226, 'rung-changed', 'rung 1 -> 2: rung 1 crashed 3 times within 300 s', lower),
    event(160, 'rung-changed', 'rung 2 -> 1: an hour of peace', well),
    event(120, 'rate-changed', 'rate 19 Hz -> 49 Hz', { ...well, rateHz: 49 }),
    event(40, 'mode-changed', 'mode pods -> whole-system (fallback): EACCES on /sys/fs/cgroup/kubepods.slice', {
      rateHz: 49,
    }),
  ];
  await store.command(
    `INSERT INTO node_event_log (time, node, epoch, kind, message, state) VALUES ${events.join(', ')}`,
  );
  const series = (kind: string, columns: string, values: string) => {
    const id = seriesId([
      ['node', state.node],
      ['kind', kind],
    ]);
    return store
      .command(
        `INSERT INTO series (series, node, type, unit, period, ${columns}) VALUES (${id}, '${state.node}', 'cpu', 'nanoseconds', 1, ${values})`,
      )
      .then(() => id);
  };
  const pod = await series('pod', 'process, pod_uid', `'app', 'u'`);
  const host = await series('host', 'process', `'sshd'`);
  const nothing = await series('nothing', 'process, labels', `'app', map('attribution', 'none')`);
  const rows: string[] = [];
  const losses: string[] = [];
  let lost = 0;
  for (let minute = 355; minute > 0; minute -= 1) {
    const wave = 900 + Math.round(300 * Math.sin(minute / 17));
    const time = Math.round(NOW / 1000 - minute * 60);
    rows.push(
      `(${time}, ${minute > 40 ? pod : nothing}, 1, ${wave})`,
      `(${time}, ${host}, 1, ${90 + (minute % 7) * 5})`,
    );
    if (minute > 226 && minute < 232) lost += 500;
    losses.push(`(${at(minute)}, '${state.node}', '${state.epoch}', ${356 - minute}, map('unclean-exit', ${lost}))`);
  }
  await store.command(`INSERT INTO samples (* EXCEPT(workload)) VALUES ${rows.join(', ')}`);
  await store.command(`INSERT INTO delivery_log (time, node, epoch, seq, lost) VALUES ${losses.join(', ')}`);
}
