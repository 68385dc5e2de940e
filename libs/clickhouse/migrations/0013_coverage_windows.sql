-- When the window began that a message tells of: what was lost can be held against what was taken in the same window. Of a message
-- without samples it is when it came.
ALTER TABLE delivery_log ADD COLUMN IF NOT EXISTS window_start DateTime('UTC') DEFAULT toDateTime(time, 'UTC');

-- As coverage, per node and window: time is when the window began.
CREATE VIEW coverage_windows AS
SELECT
    time,
    anyLastIf(cluster_of, cluster_of != '') AS cluster,
    node,
    sumIf(samples, attribution = 'pod') AS pod,
    sumIf(samples, attribution = 'container') AS container,
    sumIf(samples, attribution = 'host') AS host,
    sumIf(samples, attribution = 'nothing') AS nothing,
    sumIf(samples, attribution = 'lost') AS lost,
    sum(samples) AS taken
FROM
(
    SELECT
        m.time AS time,
        l.cluster AS cluster_of,
        l.node AS node,
        multiIf(
            l.pod_uid != '' OR l.pod != '', 'pod',
            l.container_id != '' OR l.container != '', 'container',
            l.labels['attribution'] = 'none' OR l.process = '', 'nothing',
            'host') AS attribution,
        toInt64(intDiv(m.value, l.period)) AS samples
    FROM (SELECT time, series, sum(value) AS value FROM samples GROUP BY time, series) AS m
    INNER JOIN (SELECT * FROM series FINAL WHERE type = 'cpu' AND period > 0) AS l ON m.series = l.series
    UNION ALL
    SELECT window_start AS time, '' AS cluster_of, node, 'lost' AS attribution, greatest(toInt64(0), added) AS samples
    FROM
    (
        SELECT
            window_start,
            node,
            so_far - lagInFrame(so_far, 1, toInt64(0)) OVER (PARTITION BY node, epoch ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS added
        FROM
        (
            SELECT *, toInt64(arraySum(mapValues(lost))) - toInt64(lost['filtered']) - toInt64(lost['off-cpu']) AS so_far
            FROM delivery_log
            WHERE duplicate = 0
        )
    )
    WHERE added > 0
)
GROUP BY time, node;
