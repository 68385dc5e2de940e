//! Bounds on what a message may hold; a message over one is refused with an error that names it. Those of the decoder
//! are `DEFAULT_LIMITS` of libs/otlp.

pub const MAX_MESSAGE_BYTES: usize = 8 << 20;
pub const MAX_TABLE_ENTRIES: usize = 1 << 20;
pub const MAX_STACK_DEPTH: usize = 1024;
pub const MAX_STRING_BYTES: usize = 64 << 10;
pub const MAX_SAMPLES: usize = 1 << 20;
/// Resources and, over all of them, profiles.
pub const MAX_PROFILES: usize = 16_384;
/// Of one location or mapping.
pub const MAX_ROW_ATTRIBUTES: usize = 64;
/// What is hashed for one message, and what is written of it besides its samples. A table that many rows refer to (one long name on a million lines, a
/// location of a thousand lines a thousand times in each stack) would make gigabytes of a few megabytes.
pub const MAX_MADE_BYTES: usize = 64 << 20;

/// UTF-16 units, as the interface for humans counts characters.
pub const MAX_LABEL: usize = 1024;
pub const MAX_LABEL_NAME: usize = 128;
pub const MAX_LABELS: usize = 32;

/// Longer than a message waits on a node's disk and in the stream, and a day less than samples are kept.
pub const MAX_AGE_MS: i64 = 13 * 86_400_000;
/// Further ahead of the broker than any clock that is worth a name.
pub const MAX_AHEAD_MS: i64 = 3_600_000;
