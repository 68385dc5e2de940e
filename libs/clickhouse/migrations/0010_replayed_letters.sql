-- As before, but a message that could not be used and was published again (`perfleet dead replay`) is what came of it then: its row
-- without use is left out where the same (node, epoch, seq) has one of use.
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
        FROM
        (
            SELECT *, toInt64(taken) - toInt64(arraySum(mapValues(lost))) AS alive
            FROM (SELECT *, max(undecodable = 0) OVER (PARTITION BY node, epoch, seq) AS usable FROM delivery_log)
            WHERE undecodable = 0 OR NOT usable
        )
    )
    GROUP BY node, epoch
);
