-- Workloads, roll-ups, and what is kept for how long.
--
-- A workload is a label set without what tells its instances apart (node, pod, pod_uid, container_id). Samples carry its id and are
-- sorted by it and by stack before the series: a service's rows stand together, and equal stacks of its pods stand side by side
-- (bench/RESULTS.md, storage). Roll-ups hold sums by workload and stack; equal stacks of some hours or of a month stand side by side.
-- Primary keys are shorter than what rows are sorted by: with `time` itself among its columns the engine looks for a range of times
-- there, behind the ids, and not in the bucket in front of them, and reads the whole partition.
--
-- What is kept, in days:                       after its last day, by
--     samples       14                         the day
--     samples_10m   90                         the week
--     samples_1d   400                         the month
--     series        30 after it was last seen  the week;  samples refer to it, and who inserts them writes it again every day
--     stacks, frames, workloads
--                  500 after it was last seen  terms of 30 days;  roll-ups refer to it, and who inserts samples writes it again in
--                                              each term: a roll-up of the last day of a term is gone 30 + 400 + 31 days after
--                                              the term began
-- Everything goes by dropping whole parts. What is written again stands in the newest partition, which is far from being dropped: a
-- stack that comes back after a year is never lost to a clean-up that runs at the same time.
--
-- Stop aggregators (SIGTERM) before they are replaced by this version: the new tables do not know the deduplication tokens of the
-- old ones, so a block that a killed aggregator had not committed would be written twice.

CREATE TABLE workloads
(
    workload  UInt64,
    cluster   LowCardinality(String),
    namespace LowCardinality(String),
    container LowCardinality(String),
    service   String,
    process   String,
    type      LowCardinality(String),
    unit      LowCardinality(String),
    period    UInt64,
    labels    Map(LowCardinality(String), String),
    seen      Date
)
ENGINE = ReplacingMergeTree
PARTITION BY seen
ORDER BY workload
TTL seen + INTERVAL 500 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE samples_10m
(
    time     DateTime('UTC') CODEC(T64, ZSTD(1)),
    workload UInt64 CODEC(ZSTD(1)),
    stack    UInt64 CODEC(ZSTD(1)),
    value    UInt64 CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree(value)
PARTITION BY toMonday(time)
PRIMARY KEY (toStartOfInterval(time, INTERVAL 4 HOUR), workload, stack)
ORDER BY (toStartOfInterval(time, INTERVAL 4 HOUR), workload, stack, time)
TTL time + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 100000, ttl_only_drop_parts = 1;

CREATE TABLE samples_1d
(
    time     DateTime('UTC') CODEC(T64, ZSTD(1)),
    workload UInt64 CODEC(ZSTD(1)),
    stack    UInt64 CODEC(ZSTD(1)),
    value    UInt64 CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree(value)
PARTITION BY toYYYYMM(time)
PRIMARY KEY (workload, stack)
ORDER BY (workload, stack, time)
TTL time + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 100000, ttl_only_drop_parts = 1;

-- unless column series.workload
DROP TABLE IF EXISTS series_next;
CREATE TABLE series_next
(
    series       UInt64,
    workload     UInt64 DEFAULT series,
    cluster      LowCardinality(String),
    node         String,
    namespace    LowCardinality(String),
    pod          String,
    pod_uid      String,
    container    LowCardinality(String),
    container_id String,
    service      String,
    process      String,
    type         LowCardinality(String),
    unit         LowCardinality(String),
    period       UInt64,
    labels       Map(LowCardinality(String), String),
    seen         DateTime('UTC') DEFAULT now()
)
ENGINE = ReplacingMergeTree(seen)
PARTITION BY toMonday(seen)
ORDER BY series
TTL seen + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;
-- The id as libs/ids makes it: XXH64 of name and value, each with its length, sorted by name.
INSERT INTO series_next
SELECT
    series,
    xxHash64(arrayStringConcat(arrayMap(
        p -> concat(reinterpretAsFixedString(toUInt32(length(p.1))), p.1, reinterpretAsFixedString(toUInt32(length(p.2))), p.2),
        arraySort(p -> p.1, arrayFilter(p -> p.2 != '', arrayConcat(
            CAST([('cluster', cluster), ('namespace', namespace), ('container', container), ('service', service), ('process', process),
                  ('type', type), ('unit', unit), ('period', toString(period))], 'Array(Tuple(String, String))'),
            arrayMap((name, value) -> (concat('label.', CAST(name, 'String')), value), mapKeys(labels), mapValues(labels)))))))) AS workload,
    cluster, node, namespace, pod, pod_uid, container, container_id, service, process, type, unit, period, labels,
    greatest(seen, now() - INTERVAL 14 DAY) AS seen
FROM (SELECT * FROM series FINAL);
EXCHANGE TABLES series AND series_next;
-- end
DROP TABLE IF EXISTS series_next;

-- unless column samples.workload
DROP TABLE IF EXISTS samples_next;
CREATE TABLE samples_next
(
    time     DateTime('UTC') CODEC(T64, ZSTD(1)),
    workload UInt64 DEFAULT series CODEC(ZSTD(1)),
    series   UInt64 CODEC(ZSTD(1)),
    stack    UInt64 CODEC(ZSTD(1)),
    value    UInt64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(time)
PRIMARY KEY (toStartOfTenMinutes(time), workload, stack)
ORDER BY (toStartOfTenMinutes(time), workload, stack, series, time)
TTL time + INTERVAL 14 DAY
SETTINGS non_replicated_deduplication_window = 100000, ttl_only_drop_parts = 1;
INSERT INTO samples_next (time, workload, series, stack, value)
SELECT s.time, if(l.workload = 0, s.series, l.workload), s.series, s.stack, s.value
FROM samples AS s LEFT JOIN (SELECT series, any(workload) AS workload FROM series GROUP BY series) AS l ON s.series = l.series;
TRUNCATE TABLE samples_10m;
INSERT INTO samples_10m
SELECT toStartOfTenMinutes(s.time) AS bucket, s.workload, s.stack, sum(s.value) FROM samples_next AS s GROUP BY bucket, s.workload, s.stack;
TRUNCATE TABLE samples_1d;
INSERT INTO samples_1d
SELECT toStartOfDay(s.time) AS bucket, s.workload, s.stack, sum(s.value) FROM samples_next AS s GROUP BY bucket, s.workload, s.stack;
EXCHANGE TABLES samples AND samples_next;
-- end
-- Whatever its size: what it held has been taken along.
DROP TABLE IF EXISTS samples_next SETTINGS max_table_size_to_drop = 0;

-- unless column stacks.seen
DROP TABLE IF EXISTS stacks_next;
CREATE TABLE stacks_next
(
    stack  UInt64,
    frames Array(UInt64) CODEC(ZSTD(3)),
    seen   Date DEFAULT toDate(toUInt16(intDiv(toUInt16(today()), 30) * 30))
)
ENGINE = ReplacingMergeTree
PARTITION BY seen
ORDER BY stack
TTL seen + INTERVAL 500 DAY
SETTINGS ttl_only_drop_parts = 1;
INSERT INTO stacks_next (stack, frames) SELECT stack, frames FROM stacks;
EXCHANGE TABLES stacks AND stacks_next;
-- end
DROP TABLE IF EXISTS stacks_next;

-- unless column frames.seen
DROP TABLE IF EXISTS frames_next;
CREATE TABLE frames_next
(
    frame     UInt64,
    kind      LowCardinality(String),
    binary_id String,
    address   UInt64,
    function  String,
    file      String,
    line      UInt32,
    mapping   String,
    seen      Date DEFAULT toDate(toUInt16(intDiv(toUInt16(today()), 30) * 30))
)
ENGINE = ReplacingMergeTree
PARTITION BY seen
ORDER BY frame
TTL seen + INTERVAL 500 DAY
SETTINGS ttl_only_drop_parts = 1;
INSERT INTO frames_next (frame, kind, binary_id, address, function, file, line, mapping)
SELECT frame, kind, binary_id, address, function, file, line, mapping FROM frames;
EXCHANGE TABLES frames AND frames_next;
-- end
DROP TABLE IF EXISTS frames_next;

-- A workload is idempotent by its id. Roll-ups are not: `deduplicate_blocks_in_dependent_materialized_views`, which every insert of
-- the aggregator sets, makes each of them decide by the block's token for itself whether it has the block already.
CREATE MATERIALIZED VIEW IF NOT EXISTS workloads_of_series TO workloads AS
SELECT workload, cluster, namespace, container, service, process, type, unit, period, labels,
    toDate(toUInt16(intDiv(toUInt16(toDate(seen)), 30) * 30)) AS seen
FROM series;
INSERT INTO workloads
SELECT workload, cluster, namespace, container, service, process, type, unit, period, labels,
    toDate(toUInt16(intDiv(toUInt16(toDate(series.seen)), 30) * 30)) AS seen
FROM series;
CREATE MATERIALIZED VIEW IF NOT EXISTS samples_10m_of_samples TO samples_10m AS
SELECT toStartOfTenMinutes(s.time) AS time, s.workload AS workload, s.stack AS stack, sum(s.value) AS value
FROM samples AS s GROUP BY toStartOfTenMinutes(s.time), s.workload, s.stack;
CREATE MATERIALIZED VIEW IF NOT EXISTS samples_1d_of_samples TO samples_1d AS
SELECT toStartOfDay(s.time) AS time, s.workload AS workload, s.stack AS stack, sum(s.value) AS value
FROM samples AS s GROUP BY toStartOfDay(s.time), s.workload, s.stack;
