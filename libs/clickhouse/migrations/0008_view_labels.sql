-- The views of 0002 with two more columns at their end: what agents added to a series (`labels`, in `profiles` and `functions`) and
-- what kind of code a function is (`kind`, in `functions`).

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
    x.mapping AS binary,
    x.kind AS kind
FROM
(
    SELECT
        f.frame AS frame,
        CAST(f.kind, 'String') AS kind,
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
    arrayFlatten(arrayMap(part -> arrayWithConstant(length(tupleElement(part, 2)), tupleElement(part, 4)), g.parts)) AS binaries,
    arrayFlatten(arrayMap(part -> arrayWithConstant(length(tupleElement(part, 2)), tupleElement(part, 5)), g.parts)) AS kinds
FROM
(
    SELECT e.stack AS stack, arraySort(groupArray((e.position, e.names, e.files, e.binary, e.kind))) AS parts
    FROM
    (
        SELECT
            i.stack AS stack,
            i.position AS position,
            if(empty(n.names), [concat('frame+0x', lower(hex(i.frame)))], n.names) AS names,
            if(empty(n.names), [''], n.files) AS files,
            n.binary AS binary,
            n.kind AS kind
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
    n.frames AS frames,
    l.labels AS labels
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
    p.total AS total,
    p.fn.4 AS kind,
    l.labels AS labels
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
            arrayZip(frames, files, binaries, kinds) AS chain,
            arrayDistinct(chain) AS fns,
            chain[-1] AS leaf
        FROM stack_names
    ) AS f ON s.stack = f.stack
    ARRAY JOIN f.fns AS fn
    GROUP BY time, series, fn
) AS p
LEFT JOIN (SELECT * FROM series FINAL) AS l ON p.series = l.series;
