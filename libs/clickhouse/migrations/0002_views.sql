-- The public views: documented and stable. Everything else may change.

-- Names of one frame, outermost first: with symbols its inline chain, else the name from the node, else module+0xaddress.
CREATE VIEW frame_names AS
SELECT
    x.frame AS frame,
    multiIf(
        x.function != '', [x.function],
        notEmpty(x.chain), arrayReverse(arrayMap(name -> if(name = '', x.raw, name), x.chain)),
        x.binary_id = '' AND x.address = 0, [if(x.module = '', '[unknown]', x.module)],
        [x.raw]) AS names,
    multiIf(x.function != '', [x.file], notEmpty(x.chain), arrayReverse(arrayResize(x.chain_files, length(x.chain), '')), ['']) AS files,
    x.mapping AS binary
FROM
(
    SELECT
        f.frame AS frame,
        f.function AS function,
        f.file AS file,
        f.binary_id AS binary_id,
        f.address AS address,
        f.mapping AS mapping,
        s.functions AS chain,
        s.files AS chain_files,
        replaceRegexpOne(f.mapping, '^.*/', '') AS module,
        concat(replaceRegexpOne(f.mapping, '^.*/', ''), '+0x', if(f.address = 0, '0', trim(LEADING '0' FROM lower(hex(f.address))))) AS raw
    FROM (SELECT * FROM frames FINAL) AS f
    LEFT JOIN (SELECT * FROM symbols FINAL) AS s ON f.frame = s.frame
) AS x;

-- Names of one stack, root first.
CREATE VIEW stack_names AS
SELECT
    g.stack AS stack,
    arrayFlatten(arrayMap(part -> tupleElement(part, 2), g.parts)) AS frames,
    arrayFlatten(arrayMap(part -> tupleElement(part, 3), g.parts)) AS files,
    arrayFlatten(arrayMap(part -> arrayWithConstant(length(tupleElement(part, 2)), tupleElement(part, 4)), g.parts)) AS binaries
FROM
(
    SELECT e.stack AS stack, arraySort(groupArray((e.position, e.names, e.files, e.binary))) AS parts
    FROM
    (
        SELECT
            i.stack AS stack,
            i.position AS position,
            if(empty(n.names), [concat('frame+0x', lower(hex(i.frame)))], n.names) AS names,
            if(empty(n.names), [''], n.files) AS files,
            n.binary AS binary
        FROM
        (
            SELECT stack, frame, position
            FROM (SELECT stack, any(frames) AS ids FROM stacks GROUP BY stack)
            ARRAY JOIN ids AS frame, arrayEnumerate(ids) AS position
        ) AS i
        LEFT JOIN frame_names AS n ON i.frame = n.frame
    ) AS e
    GROUP BY e.stack
) AS g;

-- One row per second, label set and stack. Value is in the unit of the type (cpu: nanoseconds).
CREATE VIEW profiles AS
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
    s.value AS value,
    s.stack AS stack_id,
    n.frames AS frames
FROM samples AS s
LEFT JOIN (SELECT * FROM series FINAL) AS l ON s.series = l.series
LEFT JOIN (SELECT stack, frames FROM stack_names) AS n ON s.stack = n.stack;

-- One row per second, label set and function. Recursion counts once in total; self is time in the function itself.
CREATE VIEW functions AS
SELECT
    p.time AS time,
    l.cluster AS cluster,
    l.node AS node,
    l.namespace AS namespace,
    l.pod AS pod,
    l.container AS container,
    l.service AS service,
    l.process AS process,
    l.type AS type,
    p.fn.1 AS function,
    p.fn.2 AS file,
    p.fn.3 AS binary,
    p.self AS self,
    p.total AS total
FROM
(
    SELECT
        s.time AS time,
        s.series AS series,
        fn,
        sum(if(fn = f.leaf, s.value, 0)) AS self,
        sum(s.value) AS total
    FROM samples AS s
    INNER JOIN
    (
        SELECT
            stack,
            arrayZip(frames, files, binaries) AS chain,
            arrayDistinct(chain) AS fns,
            chain[-1] AS leaf
        FROM stack_names
    ) AS f ON s.stack = f.stack
    ARRAY JOIN f.fns AS fn
    GROUP BY time, series, fn
) AS p
LEFT JOIN (SELECT * FROM series FINAL) AS l ON p.series = l.series;

CREATE VIEW node_events AS
SELECT time, cluster, node, epoch, kind, message, state
FROM node_event_log;

-- What each node said of itself last.
CREATE VIEW nodes AS
SELECT
    node,
    last_cluster AS cluster,
    last_time AS time,
    last_epoch AS epoch,
    last_kind AS kind,
    last_message AS message,
    JSONExtractString(last_state, 'mode') AS mode,
    toUInt8(JSONExtractBool(last_state, 'fallback')) AS fallback,
    JSONExtractString(last_state, 'modeReason') AS mode_reason,
    toUInt8(JSONExtractUInt(last_state, 'rung')) AS rung,
    JSONExtractString(last_state, 'rungReason') AS rung_reason,
    JSONExtractString(last_state, 'kernel') AS kernel,
    JSONExtractFloat(last_state, 'rateHz') AS rate_hz,
    JSONExtractUInt(last_state, 'restarts') AS restarts,
    last_state AS state
FROM
(
    SELECT
        node,
        argMax(cluster, time) AS last_cluster,
        max(time) AS last_time,
        argMax(epoch, time) AS last_epoch,
        argMax(kind, time) AS last_kind,
        argMax(message, time) AS last_message,
        argMaxIf(state, time, state != '') AS last_state
    FROM node_event_log
    GROUP BY node
);

-- Per node and epoch: what was taken is stored or lost for a counted reason. A balance above 0 is what is missing or still on its way.
-- taken and lost of a message are cumulative; what an undecodable message held follows from its neighbours.
CREATE VIEW deliveries AS
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
    last_skew_ms AS skew_ms
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
