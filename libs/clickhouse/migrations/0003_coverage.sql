-- Samples by what they are attributed to, per node and minute. Counts are samples: the value of CPU time over its period.
-- A series without pod and container is the host's, unless the node said that it could not tell (label attribution = none).
CREATE VIEW attributed_samples AS
SELECT
    m.minute AS time,
    l.cluster AS cluster,
    l.node AS node,
    multiIf(
        l.pod_uid != '' OR l.pod != '', 'pod',
        l.container_id != '' OR l.container != '', 'container',
        l.labels['attribution'] = 'none' OR l.process = '', 'nothing',
        'host') AS attribution,
    sum(intDiv(m.value, l.period)) AS samples
FROM (SELECT toStartOfMinute(time) AS minute, series, sum(value) AS value FROM samples GROUP BY minute, series) AS m
INNER JOIN (SELECT * FROM series FINAL WHERE type = 'cpu' AND period > 0) AS l ON m.series = l.series
GROUP BY time, cluster, node, attribution;

-- Samples lost per node and minute, by the time at which the loss was told. A message holds the count of its epoch so far:
-- what it adds is the difference from the message before it, however long ago that was.
CREATE VIEW lost_samples AS
SELECT toStartOfMinute(toDateTime(time, 'UTC')) AS time, node, sum(greatest(toInt64(0), added)) AS samples
FROM
(
    SELECT
        time,
        node,
        so_far - lagInFrame(so_far, 1, toInt64(0)) OVER (PARTITION BY node, epoch ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS added
    FROM (SELECT *, toInt64(arraySum(mapValues(lost))) AS so_far FROM delivery_log WHERE duplicate = 0)
)
GROUP BY time, node;

-- Per node and minute: samples attributed to a pod, to a container, to the host, to nothing, and lost. taken is their sum.
CREATE VIEW coverage AS
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
    SELECT time, cluster AS cluster_of, node, attribution, toInt64(samples) AS samples FROM attributed_samples
    UNION ALL
    SELECT time, '' AS cluster_of, node, 'lost' AS attribution, toInt64(samples) AS samples FROM lost_samples
)
GROUP BY time, node;
