-- As in 0007, without the reason `off-cpu` besides: blocks of threads that had no room are no samples of CPU time, of which coverage
-- tells the share. They stand in deliveries.lost.
CREATE OR REPLACE VIEW lost_samples AS
SELECT toStartOfMinute(toDateTime(time, 'UTC')) AS time, node, sum(greatest(toInt64(0), added)) AS samples
FROM
(
    SELECT
        time,
        node,
        so_far - lagInFrame(so_far, 1, toInt64(0)) OVER (PARTITION BY node, epoch ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS added
    FROM
    (
        SELECT *, toInt64(arraySum(mapValues(lost))) - toInt64(lost['filtered']) - toInt64(lost['off-cpu']) AS so_far
        FROM delivery_log
        WHERE duplicate = 0
    )
)
GROUP BY time, node;
