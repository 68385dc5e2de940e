import { expect, it } from 'vitest';
import { aggregatorMetrics } from './metrics.ts';
import { emptyStats } from './stats.ts';

it('answers every count of the stats, and the lag of each partition that is read here', async () => {
  const stats = { ...emptyStats(), rows: 7, clamped: 2, bytes: 900, lastCommit: 1500, lag: { 3: 12, 5: 0 } };
  const registry = aggregatorMetrics(() => stats);
  const text = await registry.metrics();
  for (const line of [
    'perfleet_aggregator_rows_total 7',
    'perfleet_aggregator_clamped_total 2',
    'perfleet_aggregator_bytes_total 900',
    'perfleet_aggregator_last_commit_timestamp_seconds 1.5',
    'perfleet_aggregator_lag_messages{partition="3"} 12',
    'perfleet_aggregator_lag_messages{partition="5"} 0',
  ])
    expect(text.split('\n')).toContain(line);
  stats.lag = { 3: 1, 5: 0 };
  expect(await registry.metrics()).toContain('perfleet_aggregator_lag_messages{partition="3"} 1\n');
});
