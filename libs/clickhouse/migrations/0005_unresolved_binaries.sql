-- Binaries that lack names: one row per second, label set, stack and binary with at least one frame without a name. Since when
-- and how much: SELECT binary, reason, min(time), sum(samples) FROM unresolved_binaries GROUP BY binary, reason.
CREATE VIEW unresolved_binaries AS
SELECT
    s.time AS time,
    l.cluster AS cluster,
    l.node AS node,
    l.namespace AS namespace,
    l.pod AS pod,
    l.container AS container,
    l.service AS service,
    l.process AS process,
    l.type AS type,
    u.binary AS binary,
    u.binary_id AS binary_id,
    u.reason AS reason,
    s.value AS value,
    if(l.period = 0, 0, intDiv(s.value, l.period)) AS samples
FROM samples AS s
INNER JOIN
(
    SELECT g.stack AS stack, n.binary AS binary, n.binary_id AS binary_id, min(n.why) AS reason
    FROM (SELECT DISTINCT stack, arrayJoin(frames) AS frame FROM stacks) AS g
    INNER JOIN
    (
        SELECT
            f.frame AS frame,
            f.mapping AS binary,
            f.binary_id AS binary_id,
            if(s.frame = 0, 'not looked at yet', s.reason) AS why
        FROM (SELECT * FROM frames FINAL WHERE binary_id != '' AND function = '') AS f
        LEFT JOIN (SELECT frame, quality, reason FROM symbols FINAL) AS s ON f.frame = s.frame
        WHERE s.quality = 0
    ) AS n ON g.frame = n.frame
    GROUP BY g.stack, n.binary, n.binary_id
) AS u ON s.stack = u.stack
LEFT JOIN (SELECT * FROM series FINAL) AS l ON s.series = l.series;
