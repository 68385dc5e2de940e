-- Samples that were left out on purpose (filters, pods that opted out) stand in delivery_log.lost by the reason `filtered`, so that
-- taken = stored + lost stays exact. They are no loss: neither lost_samples nor coverage has them, and no alert fires for them.
CREATE OR REPLACE VIEW lost_samples AS
SELECT toStartOfMinute(toDateTime(time, 'UTC')) AS time, node, sum(greatest(toInt64(0), added)) AS samples
FROM
(
    SELECT
        time,
        node,
        so_far - lagInFrame(so_far, 1, toInt64(0)) OVER (PARTITION BY node, epoch ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS added
    FROM (SELECT *, toInt64(arraySum(mapValues(lost))) - toInt64(lost['filtered']) AS so_far FROM delivery_log WHERE duplicate = 0)
)
GROUP BY time, node;

-- As before, and `filtered`: that part of lost_total which was left out on purpose.
CREATE OR REPLACE VIEW deliveries AS
SELECT
    node,
    epoch,
    epoch_began AS epoch_start,
    messages,
    first_seq,
    last_seq,
    last_seq - distinct_seq AS gaps,
    duplicates,
    all_taken AS taken,
    all_stored AS stored,
    mapFilter((reason, n) -> n > 0, mapAdd(CAST(last_lost, 'Map(String, UInt64)'), map('undecodable', toUInt64(unreadable)))) AS lost,
    arraySum(mapValues(last_lost)) + toUInt64(unreadable) AS lost_total,
    toInt64(all_taken) - toInt64(all_stored) - toInt64(arraySum(mapValues(last_lost))) - unreadable AS balance,
    last_skew_ms AS skew_ms,
    last_lost['filtered'] AS filtered
FROM
(
    SELECT
        node,
        epoch,
        min(epoch_start) AS epoch_began,
        count() AS messages,
        min(seq) AS first_seq,
        max(seq) AS last_seq,
        uniqExact(seq) AS distinct_seq,
        countIf(duplicate = 1) AS duplicates,
        max(taken) AS all_taken,
        sumIf(stored, duplicate = 0) AS all_stored,
        sumIf(greatest(toInt64(0), held), undecodable = 1 AND duplicate = 0) AS unreadable,
        argMax(lost, seq) AS last_lost,
        argMax(skew_ms, seq) AS last_skew_ms
    FROM
    (
        SELECT
            *,
            alive - lagInFrame(alive, 1, toInt64(0)) OVER (PARTITION BY node, epoch, duplicate ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS held
        FROM (SELECT *, toInt64(taken) - toInt64(arraySum(mapValues(lost))) AS alive FROM delivery_log)
    )
    GROUP BY node, epoch
);
