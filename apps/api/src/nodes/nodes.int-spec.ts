import { fleetNodes, type CausesResponse, type FleetColumns, type NodeTimelineResponse } from '@perfleet/api-contract';
import { seriesId } from '@perfleet/ids';
import { describe, expect, it } from 'vitest';
import { get, node, nodeState, refused, store, T0, url, useTestApi } from '../api.fixture.ts';

useTestApi();

describe('nodes', () => {
  it('lists them with their last word', async () => {
    const { nodes } = await get<{ nodes: Array<Record<string, unknown>> }>('nodes');
    expect(nodes).toMatchObject([
      { node: 'n1', alive: true, mode: 'pods', rung: 1 },
      { node: 'n2', alive: false, mode: 'whole-system', fallback: true, rung: 2 },
    ]);
    expect(await get('nodes/n1')).toMatchObject({
      ...{ node: 'n1', kernel: '6.18', podRoots: ['/kubepods', '/docker/x/kubepods'], kubeletMismatches: [] },
    });
    expect(await refused('nodes/n9')).toMatchObject({ status: 404 });
    expect((await refused(`nodes/${'x'.repeat(253)}`)).message).toContain('no node is called xxx');
  });

  it('raises alerts with their beginning and reason', async () => {
    const at = T0 * 1000 + 123;
    await store.command(
      `INSERT INTO node_event_log (time, node, kind) VALUES (fromUnixTimestamp64Milli(toInt64(${at})), 'n2', 'mode-changed')`,
    );
    const { alerts } = await get<{ alerts: unknown[] }>('alerts');
    expect(alerts).toMatchObject([
      { kind: 'silent', node: 'n2', cluster: 'test' },
      { kind: 'fallback', node: 'n2', since: at, reason: 'mode whole-system: no kubepods' },
      { kind: 'rung', node: 'n2', since: 1000, reason: 'rung 2: no BTF' },
      { kind: 'kubelet-mismatch', node: 'n2', state: 'pending' },
    ]);
  });

  it('gives the fleet as columns that decode to the same nodes', async () => {
    const fleet = fleetNodes(await get<FleetColumns>('fleet'));
    expect(fleet).toMatchObject([
      {
        node: 'n1',
        cluster: 'test',
        alive: true,
        mode: 'pods',
        fallback: false,
        rung: 1,
        kernel: '6.18',
        lostShare: null,
      },
      {
        node: 'n2',
        alive: false,
        mode: 'whole-system',
        fallback: true,
        modeReason: 'no kubepods',
        ...{ podRoots: '', kubeletMismatches: 'the kubelet declares cgroupsPerQOS: true' },
        rungReason: 'no BTF',
      },
    ]);
  });

  it('groups what is wrong by cause, what the kubelet declares and the layout contradicts too', async () => {
    const { causes } = await get<CausesResponse>('fleet/causes');
    expect(causes).toEqual([
      { kind: 'silent', cause: 'no heartbeat', nodes: ['n2'] },
      { kind: 'fallback', cause: 'no kubepods', nodes: ['n2'] },
      { kind: 'rung', cause: 'rung 2: no BTF', nodes: ['n2'] },
      { kind: 'kubelet', cause: 'the kubelet declares cgroupsPerQOS: true', nodes: ['n2'] },
    ]);
  });

  it('tells the time line of one node: what held before, events, coverage', async () => {
    // Apart from the data set of the other tests.
    const T1 = T0 + 12_000;
    const state = (rung: number) => JSON.stringify({ ...node('line'), rung }).replaceAll("'", "''");
    const event = (t: number, kind: string, text: string) =>
      `(toDateTime64(${T1 + t}, 3), 'line', '00000000000000aa', '${kind}', 'why', '${text}')`;
    await store.command(
      `INSERT INTO node_event_log (time, node, epoch, kind, message, state) VALUES ${[
        event(-60, 'started', state(1)),
        event(10, 'sampler-crashed', state(1)),
        event(20, 'rung-changed', state(2)),
        event(500, 'stopped', ''),
      ].join(', ')}`,
    );
    const id = seriesId([['node', 'line']]);
    await store.command(
      `INSERT INTO series (series, node, process, pod_uid, type, unit, period) VALUES (${id}, 'line', 'x', 'u', 'cpu', 'nanoseconds', 10)`,
    );
    await store.command(
      `INSERT INTO samples (* EXCEPT(workload)) VALUES (${T1 + 5}, ${id}, 1, 70), (${T1 + 65}, ${id}, 1, 20)`,
    );
    await store.command(
      `INSERT INTO delivery_log (time, window_start, node, epoch, seq, lost) VALUES (toDateTime64(${T1 + 71}, 3), ${T1 + 65}, 'line', 'aa', 1, map('map-full', 4))`,
    );
    const line = await get<NodeTimelineResponse>('nodes/line/timeline', { from: String(T1), until: String(T1 + 120) });
    expect(line.before).toEqual({ mode: 'pods', fallback: false, rung: 1, rateHz: 19 });
    expect(line.events.map((e) => [e.time / 1000 - T1, e.kind, e.state?.rung])).toEqual([
      [10, 'sampler-crashed', 1],
      [20, 'rung-changed', 2],
    ]);
    expect(line.coverage).toEqual({
      ...{ step: 60, times: [(T1 + 5) * 1000, (T1 + 65) * 1000], pod: [7, 2], container: [0, 0], host: [0, 0] },
      ...{ nothing: [0, 0], lost: [0, 4] },
    });
    const hour = await get<NodeTimelineResponse>('nodes/line/timeline', { from: String(T1), until: String(T1 + 3600) });
    expect(hour.coverage).toMatchObject({ step: 60, times: [T1 * 1000, (T1 + 60) * 1000], pod: [7, 2], lost: [0, 4] });
  });

  it('lets an operator take a node out', async () => {
    await nodeState.put(node('gone'));
    const response = await fetch(`${url}/api/v1/nodes/gone`, { method: 'DELETE' });
    expect(response.status).toBe(200);
    expect(await nodeState.get('gone')).toBeNull();
    expect((await fetch(`${url}/api/v1/nodes/gone`, { method: 'DELETE' })).status).toBe(404);
  });

  it('exposes them to Prometheus', async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(text).toContain('perfleet_node_discovery_mode{node="n1",mode="pods"} 1');
    expect(text).toContain('perfleet_node_discovery_mode{node="n2",mode="pods"} 0');
    expect(text).toContain('perfleet_node_fallback{node="n2"} 1');
    expect(text).toContain('perfleet_node_kubelet_mismatch{node="n1"} 0');
    expect(text).toContain('perfleet_node_kubelet_mismatch{node="n2"} 1');
    expect(text).toContain('perfleet_node_rung{node="n2"} 2');
    expect(text).toContain('perfleet_node_governor{node="n1",state="ok"} 1');
    expect(text).toContain('perfleet_node_governor{node="n1",state="lowered"} 0');
    expect(text).toContain('perfleet_node_config_refused{node="n1"} 0');
    expect(text).toContain('perfleet_node_overhead_cpu_cores{node="n1"} 0.015');
    expect(text).toContain('perfleet_node_uploads_total{node="n1",result="had"} 5');
    expect(text).toContain('perfleet_node_upload_bytes_total{node="n1"} 300');
    expect(text).toContain('perfleet_node_upload_queue_bytes{node="n1"} 70');
    expect(text).toContain('perfleet_node_upload_away{node="n1"} 1');
    expect(text).not.toContain('perfleet_node_uploads_total{node="n2"');
    expect(text).toContain('process_cpu_seconds_total');
  });
});
