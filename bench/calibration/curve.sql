-- Per program and minute of a recording: samples and distinct stacks from its start on. For `perfleet sql`.
SELECT process, minute, sum(samples) OVER (PARTITION BY process ORDER BY minute) AS all_samples, sum(fresh) OVER (PARTITION BY process ORDER BY minute) AS all_stacks,
    rows, stacks
FROM
(
    SELECT process, toStartOfMinute(time) AS minute, count() AS rows, uniqExact(stack_id) AS stacks, round(sum(value) / 52631578) AS samples,
        uniqExactIf(stack_id, toStartOfMinute(first) = toStartOfMinute(time)) AS fresh
    FROM (SELECT process, time, value, stack_id, min(time) OVER (PARTITION BY process, stack_id) AS first FROM profiles WHERE type = 'cpu')
    GROUP BY process, minute
)
ORDER BY process, minute
