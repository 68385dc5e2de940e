//! Records of the ring buffer (man 2 perf_event_open, "MMAP layout"), for events with sample_id_all and
//! sample_type = IP | TID | TIME | CALLCHAIN.

use std::rc::Rc;

use crate::build_id::BuildId;
use crate::elf::{u32_at, u64_at};
use crate::names::Names;

#[derive(Debug)]
pub enum Event {
    Sample {
        pid: u32,
        tid: u32,
        chain: Vec<u64>,
    },
    /// `inode` is 0 where the record tells the build id instead.
    Mmap {
        pid: u32,
        start: u64,
        length: u64,
        offset: u64,
        executable: bool,
        build_id: BuildId,
        inode: u64,
        path: Rc<str>,
    },
    Comm {
        pid: u32,
        tid: u32,
        exec: bool,
        comm: Rc<str>,
    },
    /// `time` as the record has it.
    Fork {
        pid: u32,
        parent: u32,
        tid: u32,
        parent_tid: u32,
        time: u64,
    },
    Exit {
        pid: u32,
        tid: u32,
    },
    Lost(u64),
    Throttle,
    Unthrottle,
}

pub struct Record {
    /// Nanoseconds of the kernel's perf clock: orders the records of all CPUs.
    pub time: u64,
    pub event: Event,
}

const LOST: u32 = 2;
const COMM: u32 = 3;
const EXIT: u32 = 4;
const THROTTLE: u32 = 5;
const UNTHROTTLE: u32 = 6;
const FORK: u32 = 7;
const SAMPLE: u32 = 9;
const MMAP2: u32 = 10;
const MISC_COMM_EXEC: u16 = 1 << 13;
const MISC_MMAP_BUILD_ID: u16 = 1 << 14;
const PROT_EXEC: u32 = 4;
/// sample_id at the end of every other record: pid, tid (u32 each), time (u64).
const SAMPLE_ID_BYTES: usize = 16;

/// None for kinds that do not matter here and for records that are too short.
pub fn parse(bytes: &[u8], names: &mut Names) -> Option<Record> {
    let kind = u32_at(bytes, 0)?;
    let misc = u16::from_le_bytes([bytes[4], bytes[5]]);
    let id = bytes.len().checked_sub(SAMPLE_ID_BYTES)?;
    let mut text = |from: usize| Some(names.of(bytes.get(from..id)?));
    let (time, event) = match kind {
        SAMPLE => {
            let count = u64_at(bytes, 32)? as usize;
            let chain = bytes.get(40..40usize.checked_add(count.checked_mul(8)?)?)?;
            let chain = chain.chunks_exact(8).map(|ip| u64::from_le_bytes(ip.try_into().unwrap())).collect();
            (u64_at(bytes, 24)?, Event::Sample { pid: u32_at(bytes, 16)?, tid: u32_at(bytes, 20)?, chain })
        }
        MMAP2 => {
            let (build_id, inode) = if misc & MISC_MMAP_BUILD_ID != 0 {
                let size = usize::from(*bytes.get(40)?).min(20);
                (BuildId::of(bytes.get(44..44 + size)?), 0)
            } else {
                (BuildId::default(), u64_at(bytes, 48)?)
            };
            let event = Event::Mmap {
                pid: u32_at(bytes, 8)?,
                start: u64_at(bytes, 16)?,
                length: u64_at(bytes, 24)?,
                offset: u64_at(bytes, 32)?,
                executable: u32_at(bytes, 64)? & PROT_EXEC != 0,
                build_id,
                inode,
                path: text(72)?,
            };
            (u64_at(bytes, id + 8)?, event)
        }
        COMM => {
            let event = Event::Comm { pid: u32_at(bytes, 8)?, tid: u32_at(bytes, 12)?, exec: misc & MISC_COMM_EXEC != 0, comm: text(16)? };
            (u64_at(bytes, id + 8)?, event)
        }
        FORK => {
            let time = u64_at(bytes, id + 8)?;
            let [pid, parent, tid, parent_tid] = [u32_at(bytes, 8)?, u32_at(bytes, 12)?, u32_at(bytes, 16)?, u32_at(bytes, 20)?];
            (time, Event::Fork { pid, parent, tid, parent_tid, time })
        }
        EXIT => (u64_at(bytes, id + 8)?, Event::Exit { pid: u32_at(bytes, 8)?, tid: u32_at(bytes, 16)? }),
        LOST => (u64_at(bytes, id + 8)?, Event::Lost(u64_at(bytes, 16)?)),
        THROTTLE => (u64_at(bytes, 8)?, Event::Throttle),
        UNTHROTTLE => (u64_at(bytes, 8)?, Event::Unthrottle),
        _ => return None,
    };
    Some(Record { time, event })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_sample_and_refuses_a_short_one() {
        let mut bytes = vec![0u8; 56];
        bytes[0] = 9;
        bytes[16] = 7;
        bytes[20] = 8;
        bytes[24] = 99;
        bytes[32] = 2;
        bytes[40] = 1;
        bytes[48] = 2;
        let mut names = Names::default();
        let record = parse(&bytes, &mut names).unwrap();
        assert_eq!(record.time, 99);
        assert!(matches!(record.event, Event::Sample { pid: 7, tid: 8, ref chain } if chain == &[1, 2]));
        bytes[32] = 200;
        assert!(parse(&bytes, &mut names).is_none());
        assert!(parse(&bytes[..12], &mut names).is_none());
    }
}
