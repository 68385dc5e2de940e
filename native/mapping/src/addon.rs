//! The face towards Node (index.d.ts). All work runs on the thread pool.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use napi::bindgen_prelude::{AsyncTask, Buffer, Float64Array, Uint8Array, Uint32Array};
use napi::{Env, Result, Task};
use napi_derive::napi;

use crate::block::{self, Table};
use crate::map::{Batch, Counts, Input, Offered, Scratch, Written};
use crate::recent::term_of;
use crate::row_binary::Rows;
use crate::samples;

/// Columns of a message larger than ordinary ones are not kept for the next.
const MAX_KEPT_BYTES: usize = 16 << 20;

#[napi(object)]
pub struct Message {
    pub body: Uint8Array,
    pub node: String,
    pub timestamp: f64,
    pub shift_ms: f64,
}

#[napi(object)]
pub struct TableRows {
    pub bytes: Uint8Array,
    pub ends: Uint32Array,
}

#[napi(object)]
pub struct MappedMessages {
    pub samples: Buffer,
    pub ends: Uint32Array,
    pub linked: Buffer,
    pub linked_ends: Uint32Array,
    pub stored: Float64Array,
    pub clamped: Uint32Array,
    pub reasons: Vec<String>,
    pub series: TableRows,
    pub stacks: TableRows,
    pub frames: TableRows,
}

#[napi(object)]
pub struct BlockParts {
    pub samples: Vec<Uint8Array>,
    pub linked: Vec<Uint8Array>,
    pub series: Vec<TableRows>,
    pub stacks: Vec<TableRows>,
    pub frames: Vec<TableRows>,
    pub seen: f64,
}

#[napi(object)]
pub struct BlockTable {
    pub bytes: Buffer,
    pub rows: u32,
    pub ids: Buffer,
}

#[napi(object)]
pub struct BlockTables {
    pub samples: BlockTable,
    pub linked: BlockTable,
    pub series: BlockTable,
    pub stacks: BlockTable,
    pub frames: BlockTable,
}

struct Shared {
    cluster: String,
    written: RwLock<Written>,
    scratch: Mutex<Vec<Scratch>>,
}

impl Shared {
    fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let done = work(&mut scratch);
        if scratch.bytes() <= MAX_KEPT_BYTES {
            self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        }
        done
    }
}

/// Unix seconds to the day's number.
fn day_of(seen: f64) -> u32 {
    (seen / 86_400.0) as u32
}

/// On the caller's thread: far less than a thread pool's turn costs.
#[napi]
pub fn body_hash(body: &[u8]) -> String {
    format!("{:032x}", twox_hash::XxHash3_128::oneshot(body))
}

#[napi]
pub struct ProfileMapper(Arc<Shared>);

#[napi]
impl ProfileMapper {
    #[napi(constructor)]
    pub fn new(cluster: String) -> Self {
        ProfileMapper(Arc::new(Shared { cluster, written: RwLock::default(), scratch: Mutex::default() }))
    }

    #[napi]
    pub fn open(&self) -> MessageMapper {
        MessageMapper(self.0.clone(), Arc::default())
    }

    #[napi(ts_return_type = "Promise<number>")]
    pub fn decode(&self, bodies: Vec<Uint8Array>) -> AsyncTask<Decode> {
        AsyncTask::new(Decode(self.0.clone(), bodies))
    }

    #[napi(ts_return_type = "Promise<BlockTables>")]
    pub fn block(&self, parts: BlockParts) -> AsyncTask<Block> {
        AsyncTask::new(Block(self.0.clone(), parts))
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn written(&self, series: Uint8Array, stacks: Uint8Array, frames: Uint8Array, seen: f64) -> AsyncTask<MarkWritten> {
        AsyncTask::new(MarkWritten(self.0.clone(), [series, stacks, frames], day_of(seen)))
    }
}

#[napi]
pub struct MessageMapper(Arc<Shared>, Arc<Mutex<Offered>>);

#[napi]
impl MessageMapper {
    #[napi(ts_return_type = "Promise<MappedMessages>")]
    pub fn map(&self, messages: Vec<Message>) -> AsyncTask<Map> {
        AsyncTask::new(Map(self.0.clone(), self.1.clone(), messages))
    }

    #[napi]
    pub fn forget(&self) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = Offered::default();
    }
}

/// One message: where its rows end, of samples and of those with a link, and what is in it.
pub struct Done {
    ends: [u32; 2],
    counts: std::result::Result<Counts, String>,
}

pub struct Map(Arc<Shared>, Arc<Mutex<Offered>>, Vec<Message>);

impl Task for Map {
    type Output = (Batch, Vec<Done>);
    type JsValue = MappedMessages;

    fn compute(&mut self) -> Result<Self::Output> {
        let Map(shared, offered, messages) = self;
        let mut offered = offered.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(shared.with_scratch(|scratch| {
            let mut batch = Batch::default();
            let mut done = Vec::with_capacity(messages.len());
            for message in messages.iter() {
                let input =
                    Input { body: &message.body, node: &message.node, timestamp: message.timestamp as i64, shift_ms: message.shift_ms as i64 };
                // For one message at a time, so that whoever writes waits for no more than that.
                let written = shared.written.read().unwrap_or_else(PoisonError::into_inner);
                let counts = scratch.map_guarded(&input, &shared.cluster, &written, &mut offered, &mut batch);
                let ends = [batch.samples.len() / samples::ROW, batch.linked.len() / samples::LINKED_ROW].map(|rows| rows as u32);
                done.push(Done { ends, counts });
            }
            (batch, done)
        }))
    }

    fn resolve(&mut self, _: Env, (batch, done): Self::Output) -> Result<MappedMessages> {
        let counts = |one: &Done| one.counts.clone().unwrap_or_default();
        let ends = |of: usize| done.iter().map(|one| one.ends[of]).collect::<Vec<_>>();
        Ok(MappedMessages {
            samples: batch.samples.into(),
            ends: ends(0).into(),
            linked: batch.linked.into(),
            linked_ends: ends(1).into(),
            stored: done.iter().map(|one| counts(one).stored).collect::<Vec<_>>().into(),
            clamped: done.iter().map(|one| counts(one).clamped).collect::<Vec<_>>().into(),
            reasons: done.iter().map(|one| one.counts.clone().err().unwrap_or_default()).collect(),
            series: batch.series.into(),
            stacks: batch.stacks.into(),
            frames: batch.frames.into(),
        })
    }
}

pub struct Decode(Arc<Shared>, Vec<Uint8Array>);

impl Task for Decode {
    type Output = usize;
    type JsValue = f64;

    fn compute(&mut self) -> Result<usize> {
        let Decode(shared, bodies) = self;
        let decoded = shared.with_scratch(|scratch| bodies.iter().map(|body| scratch.decode(body)).sum::<std::result::Result<usize, String>>());
        decoded.map_err(napi::Error::from_reason)
    }

    fn resolve(&mut self, _: Env, samples: usize) -> Result<f64> {
        Ok(samples as f64)
    }
}

pub struct Block(Arc<Shared>, BlockParts);

impl Task for Block {
    type Output = [Table; 5];
    type JsValue = BlockTables;

    fn compute(&mut self) -> Result<Self::Output> {
        let Block(shared, parts) = self;
        let written = shared.written.read().unwrap_or_else(PoisonError::into_inner);
        let seen = (parts.seen as u32).to_le_bytes();
        let day = day_of(parts.seen);
        let term = term_of(day);
        // As RowBinary has a Date.
        let date = (term as u16).to_le_bytes();
        Ok([
            block::samples::<{ samples::ROW }>(parts.samples.iter().map(|part| &**part)),
            block::samples::<{ samples::LINKED_ROW }>(parts.linked.iter().map(|part| &**part)),
            block::fresh(slices(&parts.series), &written.series, day, &seen),
            block::fresh(slices(&parts.stacks), &written.stacks, term, &date),
            block::fresh(slices(&parts.frames), &written.frames, term, &date),
        ])
    }

    fn resolve(&mut self, _: Env, tables: Self::Output) -> Result<BlockTables> {
        let [samples, linked, series, stacks, frames] = tables.map(BlockTable::from);
        Ok(BlockTables { samples, linked, series, stacks, frames })
    }
}

fn slices(parts: &[TableRows]) -> impl Iterator<Item = (&[u8], &[u32])> {
    parts.iter().map(|part| (&*part.bytes, &*part.ends))
}

pub struct MarkWritten(Arc<Shared>, [Uint8Array; 3], u32);

impl Task for MarkWritten {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> Result<()> {
        let MarkWritten(shared, [series, stacks, frames], day) = self;
        let mut written = shared.written.write().unwrap_or_else(PoisonError::into_inner);
        let ids = |bytes: &Uint8Array| bytes.as_chunks::<8>().0.iter().map(|id| u64::from_le_bytes(*id)).collect::<Vec<_>>();
        ids(series).into_iter().for_each(|id| written.series.add(id, *day));
        let term = term_of(*day);
        ids(stacks).into_iter().for_each(|id| written.stacks.add(id, term));
        ids(frames).into_iter().for_each(|id| written.frames.add(id, term));
        Ok(())
    }

    fn resolve(&mut self, _: Env, (): ()) -> Result<()> {
        Ok(())
    }
}

impl From<Rows> for TableRows {
    fn from(rows: Rows) -> Self {
        TableRows { bytes: Uint8Array::new(rows.bytes), ends: Uint32Array::new(rows.ends) }
    }
}

impl From<Table> for BlockTable {
    fn from(Table { bytes, rows, ids }: Table) -> Self {
        BlockTable { bytes: bytes.into(), rows, ids: ids.into() }
    }
}
