-- Samples: one row per window, series and stack. Value is in the series' unit (cpu: nanoseconds), count x period.
CREATE TABLE samples
(
    time   DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    series UInt64 CODEC(ZSTD(1)),
    stack  UInt64 CODEC(ZSTD(1)),
    value  UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(time)
ORDER BY (toStartOfTenMinutes(time), series, stack, time)
TTL time + INTERVAL 14 DAY
SETTINGS non_replicated_deduplication_window = 100000, ttl_only_drop_parts = 1;

-- Label sets, by their hash.
CREATE TABLE series
(
    series       UInt64,
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
    seen         DateTime('UTC')
)
ENGINE = ReplacingMergeTree(seen)
ORDER BY series;

-- Frame ids, root first.
CREATE TABLE stacks
(
    stack  UInt64,
    frames Array(UInt64) CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
ORDER BY stack;

-- What a frame is: native (binary_id, address) or named at the node (function, file, line).
CREATE TABLE frames
(
    frame     UInt64,
    kind      LowCardinality(String),
    binary_id String,
    address   UInt64,
    function  String,
    file      String,
    line      UInt32,
    mapping   String
)
ENGINE = ReplacingMergeTree
ORDER BY frame;

-- Names of native frames: the inline chain, innermost first. The better quality wins.
CREATE TABLE symbols
(
    frame     UInt64,
    quality   UInt8,
    functions Array(String),
    files     Array(String),
    lines     Array(UInt32),
    reason    String
)
ENGINE = ReplacingMergeTree(quality)
ORDER BY frame;

-- One row per message of perfleet.profiles. taken and lost are cumulative within the epoch, stored is this message's.
CREATE TABLE delivery_log
(
    time        DateTime64(3, 'UTC'),
    node        String,
    epoch       String,
    epoch_start DateTime64(3, 'UTC'),
    seq         UInt64,
    topic_id    String,
    partition   UInt32,
    `offset`    UInt64,
    taken       UInt64,
    stored      UInt64,
    lost        Map(LowCardinality(String), UInt64),
    skew_ms     Int64,
    duplicate   UInt8,
    undecodable UInt8
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (node, epoch, seq, partition, `offset`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE node_event_log
(
    time    DateTime64(3, 'UTC'),
    cluster LowCardinality(String),
    node    String,
    epoch   String,
    kind    LowCardinality(String),
    message String,
    state   String
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (node, time)
SETTINGS non_replicated_deduplication_window = 100000;
