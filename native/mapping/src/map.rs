//! Messages into rows: a pure function of a message's bytes, its headers and the broker's time, but for stacks, frames and
//! series that are known to be in the store and need not be made again.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::budget::{Budget, Spent};
use crate::frames::Frames;
use crate::limits::{MAX_AGE_MS, MAX_AHEAD_MS};
use crate::profiles::{Message, Profile, Samples};
use crate::recent::{IdSet, RecentIds, term_of};
use crate::row_binary::Rows;
use crate::samples;
use crate::series::{Attributes, SeriesIds, SeriesType};
use crate::stacks::{self, Stacks};

const DAY_MS: i64 = 86_400_000;

/// A message on the stream. Times are Unix milliseconds.
pub struct Input<'a> {
    pub body: &'a [u8],
    /// Of samples that do not name one.
    pub node: &'a str,
    /// The broker's.
    pub timestamp: i64,
    /// Added to every sample's time.
    pub shift_ms: i64,
}

/// Ids that are in the store.
pub struct Written {
    pub series: RecentIds,
    pub stacks: RecentIds,
    pub frames: RecentIds,
}

impl Default for Written {
    fn default() -> Self {
        Written { series: RecentIds::new(200_000), stacks: RecentIds::new(1_000_000), frames: RecentIds::new(1_000_000) }
    }
}

/// Rows of messages that were mapped together.
#[derive(Default)]
pub struct Batch {
    /// `samples::push`, message by message.
    pub samples: Vec<u8>,
    /// `samples::push_linked` of those that have a link, message by message.
    pub linked: Vec<u8>,
    pub series: Rows,
    pub stacks: Rows,
    pub frames: Rows,
}

impl Batch {
    /// Ends of what has samples, for `back_to`.
    fn here(&self) -> [usize; 2] {
        [self.samples.len(), self.linked.len()]
    }

    /// Drops the samples behind it.
    fn back_to(&mut self, [samples, linked]: [usize; 2]) {
        self.samples.truncate(samples);
        self.linked.truncate(linked);
    }
}

/// Ids of rows that stand in a batch already, whichever message had them first.
#[derive(Default)]
pub struct Offered {
    series: IdSet,
    stacks: IdSet,
    frames: IdSet,
}

/// Counts of one message.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Counts {
    /// Samples in it, in the sense of the header `taken`.
    pub stored: f64,
    /// Samples whose time could not be true.
    pub clamped: u32,
}

/// Columns that are reused from one message to the next.
#[derive(Default)]
pub struct Scratch {
    message: Message,
    frames: Frames,
    stacks: Stacks,
    /// Whether a location's frames were looked at.
    listed: Vec<bool>,
    row: Vec<u8>,
}

impl Scratch {
    /// Memory that is kept for the next message, but for small columns.
    pub fn bytes(&self) -> usize {
        self.message.bytes() + self.frames.ids.capacity() * 8 + self.stacks.bytes() + self.listed.capacity()
    }

    /// The decoder alone. # Errors: why the message cannot be used.
    pub fn decode(&mut self, body: &[u8]) -> Result<usize, String> {
        self.message.decode(body).map_err(|error| error.to_string())?;
        Ok(self.message.samples.stacks.len())
    }

    /// Appends a message's rows to `batch`, but for those that are `written` or `offered`. # Errors: why the message cannot be used; then it has no samples there.
    pub fn map(&mut self, input: &Input<'_>, cluster: &str, written: &Written, offered: &mut Offered, batch: &mut Batch) -> Result<Counts, String> {
        self.decode(input.body)?;
        let start = batch.here();
        let mapped = self.rows(input, cluster, written, offered, batch);
        mapped.map_err(|Spent(why)| {
            batch.back_to(start);
            why.to_owned()
        })
    }

    /// As `map`, for a process that must outlive a mistake in here: a panic is an error like others.
    pub fn map_guarded(
        &mut self,
        input: &Input<'_>,
        cluster: &str,
        written: &Written,
        offered: &mut Offered,
        batch: &mut Batch,
    ) -> Result<Counts, String> {
        let start = batch.here();
        catch_unwind(AssertUnwindSafe(|| self.map(input, cluster, written, offered, batch))).unwrap_or_else(|_| {
            *self = Scratch::default();
            batch.back_to(start);
            [&mut batch.series, &mut batch.stacks, &mut batch.frames].into_iter().for_each(Rows::abandon);
            Err("the mapper failed on it, which is a mistake of the mapper".into())
        })
    }

    fn rows(&mut self, input: &Input<'_>, cluster: &str, written: &Written, offered: &mut Offered, batch: &mut Batch) -> Result<Counts, Spent> {
        let bytes = input.body;
        let mut budget = Budget::default();
        let mut counts = Counts::default();
        let d = &self.message.dictionary;
        self.frames.make(bytes, d, &mut budget)?;
        self.stacks.make(&self.message.samples.stacks, d, &self.frames, &mut budget)?;
        self.new_stacks(input, written, offered, batch, &mut budget)?;
        for r in 0..self.message.resources.len() {
            for p in self.message.resources[r].profiles.clone() {
                self.profile(r, p, input, cluster, written, offered, batch, &mut budget, &mut counts)?;
            }
        }
        Ok(counts)
    }

    /// Rows of the message's stacks that are not in the store, and of their frames.
    fn new_stacks(
        &mut self,
        input: &Input<'_>,
        written: &Written,
        offered: &mut Offered,
        batch: &mut Batch,
        budget: &mut Budget,
    ) -> Result<(), Spent> {
        let Scratch { message, frames, stacks, listed, .. } = self;
        let d = &message.dictionary;
        let term = term_of((input.timestamp / DAY_MS) as u32);
        listed.clear();
        listed.resize(d.locations.rows.len(), false);
        // All are looked up before the first is made: what the processor waits for it then waits for once.
        stacks.keep(|id| !written.stacks.has(id, term));
        for &index in &stacks.used {
            let (id, locations) = (stacks.ids[index as usize], d.stacks.row(index as usize));
            if !offered.stacks.insert(id) {
                continue;
            }
            stacks::row(&mut batch.stacks, id, locations, frames);
            let rows = &mut batch.frames;
            for &location in locations {
                let location = location as usize;
                if std::mem::replace(&mut listed[location], true) {
                    continue;
                }
                let before = rows.bytes.len();
                frames.write(input.body, d, location, rows, |id| !written.frames.has(id, term) && offered.frames.insert(id));
                budget.make(rows.bytes.len() - before)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one message, which are borrowed apart")]
    fn profile(
        &mut self,
        resource: usize,
        profile: usize,
        input: &Input<'_>,
        cluster: &str,
        written: &Written,
        offered: &mut Offered,
        batch: &mut Batch,
        budget: &mut Budget,
        counts: &mut Counts,
    ) -> Result<(), Spent> {
        let Scratch { message, stacks, row, .. } = self;
        let bytes = input.body;
        let d = &message.dictionary;
        let of = &message.profiles[profile];
        let kind = SeriesType::of(bytes, d, of);
        let mut base = Attributes::default();
        for &(key, value) in &message.attributes[message.resources[resource].attributes.clone()] {
            base.set(key.of(bytes), value);
        }
        base.set_all(bytes, d, &message.profile_attributes[of.attributes.clone()]);
        base.settle();
        let day = (input.timestamp / DAY_MS) as u32;
        let mut by_set: HashMap<&[u32], SeriesIds> = HashMap::new();
        let mut last: Option<(&[u32], SeriesIds)> = None;
        for sample in of.samples.clone() {
            let set = message.samples.attributes.row(sample);
            // Samples of one thread stand together.
            let series = match last {
                Some((same, id)) if same == set => id,
                _ => match by_set.get(set) {
                    Some(&id) => id,
                    None => {
                        row.clear();
                        let id = base.with(bytes, d, set).series(bytes, &kind, cluster, input.node, row);
                        budget.make(row.len())?;
                        by_set.insert(set, id);
                        if !written.series.has(id.series, day) && offered.series.insert(id.series) {
                            batch.series.bytes.extend_from_slice(row);
                            batch.series.end();
                        }
                        id
                    }
                },
            };
            last = Some((set, series));
            let stack = stacks.ids[message.samples.stacks[sample] as usize];
            let link = d.link(message.samples.links[sample]);
            each_value(&message.samples, of, sample, |nanoseconds, value| {
                counts.stored += if kind.counted { value } else { 1.0 };
                let told = if nanoseconds > 0 { (nanoseconds / 1_000_000) as i64 + input.shift_ms } else { input.timestamp };
                let ms = told.max(input.timestamp - MAX_AGE_MS).min(input.timestamp + MAX_AHEAD_MS);
                counts.clamped += u32::from(ms != told);
                let seconds = ms.div_euclid(1000).clamp(0, i64::from(u32::MAX)) as u32;
                samples::push(&mut batch.samples, seconds, series, stack, value * kind.factor);
                if let Some(link) = link {
                    samples::push_linked(&mut batch.linked, &batch.samples, link);
                }
            });
        }
        Ok(())
    }
}

/// Without values each timestamp counts one; with as many of each they pair up; else the sum stands at the first time.
fn each_value(samples: &Samples, profile: &Profile, sample: usize, mut emit: impl FnMut(u64, f64)) {
    let row = |offsets: &[u32]| offsets[sample] as usize..offsets[sample + 1] as usize;
    let values = &samples.values[row(&samples.value_offsets)];
    let times = &samples.times[row(&samples.time_offsets)];
    let first = times.first().copied().unwrap_or(profile.time_unix_nano);
    if values.is_empty() {
        if times.is_empty() {
            emit(profile.time_unix_nano, 1.0);
        }
        times.iter().for_each(|&time| emit(time, 1.0));
    } else if values.len() == times.len() {
        for (&time, &value) in times.iter().zip(values).filter(|(_, value)| **value > 0) {
            emit(time, value as f64);
        }
    } else {
        let sum = values.iter().fold(0.0, |sum, &value| sum + value as f64);
        if sum > 0.0 {
            emit(first, sum);
        }
    }
}
