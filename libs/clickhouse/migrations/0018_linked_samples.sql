-- Samples that were taken in a span, once more and with its ids: whoever selects by a span or a trace reads these, everybody else
-- `samples`, which is complete without them. An id is no label: each would be a series of its own.
--
-- Sorted as samples are, so that the spans of a service in a range stand together, and then by trace, whose rows repeat its id. One
-- trace or span of any time is found by the filters, a bit more than a byte for an id that a granule holds; they are over the text
-- because that is what a question compares. Ids are random: no codec makes them smaller.
-- kept as samples
CREATE TABLE linked_samples
(
    time     DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    workload UInt64 DEFAULT series CODEC(ZSTD(1)),
    series   UInt64 CODEC(ZSTD(1)),
    stack    UInt64 CODEC(ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id  FixedString(8) CODEC(ZSTD(1)),
    value    UInt64 CODEC(ZSTD(1)),
    INDEX traces lower(hex(trace_id)) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX spans lower(hex(span_id)) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(time)
PRIMARY KEY (toStartOfInterval(time, INTERVAL 20 MINUTE), workload, trace_id, span_id)
ORDER BY (toStartOfInterval(time, INTERVAL 20 MINUTE), workload, trace_id, span_id, stack, time, series)
TTL time + INTERVAL 14 DAY
SETTINGS non_replicated_deduplication_window = 100000, ttl_only_drop_parts = 1;

-- One row per second, label set, stack and span. Value is in the unit of the type (cpu: nanoseconds).
CREATE VIEW spans AS
SELECT
    s.time AS time,
    lower(hex(s.trace_id)) AS trace_id,
    lower(hex(s.span_id)) AS span_id,
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
FROM linked_samples AS s
LEFT JOIN (SELECT * FROM series FINAL) AS l ON s.series = l.series
LEFT JOIN (SELECT stack, frames FROM stack_names) AS n ON s.stack = n.stack;
