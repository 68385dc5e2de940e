//! Reads a window as PROTOCOL.md lays it out; panics on anything else.

pub struct Binary {
    pub path: String,
    pub build_id: String,
    pub htl_hash: String,
}

pub struct Frames {
    pub binaries: Vec<Binary>,
    pub kind: Vec<String>,
    /// Row of `binaries`; 0xffffffff = none.
    pub binary: Vec<u32>,
    pub address: Vec<u64>,
    /// Of named frames, "" elsewhere.
    pub function: Vec<String>,
    /// Of named frames; the mapping's name of anonymous code.
    pub file: Vec<String>,
}

pub struct Process {
    pub pid: u32,
    pub comm: String,
    pub executable: String,
    pub cgroup_file: String,
    pub cgroup_v2: u64,
    pub cgroup_v1: u64,
    pub cgroup_v1_controller: String,
}

pub struct Sample {
    pub process: u32,
    pub thread: String,
    pub stack: u32,
    pub count: u32,
    /// Each stands for so many.
    pub one_in: u32,
}

/// Time that threads were blocked.
pub struct Blocked {
    pub process: u32,
    pub thread: String,
    pub stack: u32,
    pub count: u32,
    pub ns: u64,
}

pub struct Window {
    pub last: bool,
    /// Unix nanoseconds.
    pub start: u64,
    pub end: u64,
    pub period: u64,
    pub taken: u64,
    pub lost: Vec<(String, u64)>,
    pub frames: Frames,
    pub stacks: Vec<Vec<u32>>,
    /// Bit 0: cut at the depth limit, bit 1: user part missing.
    pub stack_flags: Vec<u32>,
    pub processes: Vec<Process>,
    pub samples: Vec<Sample>,
    pub blocked: Vec<Blocked>,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn u32(&mut self) -> u32 {
        self.at += 4;
        u32::from_le_bytes(self.bytes[self.at - 4..self.at].try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        self.at += 8;
        u64::from_le_bytes(self.bytes[self.at - 8..self.at].try_into().unwrap())
    }

    fn pad(&mut self) {
        while !self.at.is_multiple_of(8) {
            assert_eq!(self.bytes[self.at], 0);
            self.at += 1;
        }
    }

    fn u32s(&mut self, n: usize) -> Vec<u32> {
        self.pad();
        (0..n).map(|_| self.u32()).collect()
    }

    fn u64s(&mut self, n: usize) -> Vec<u64> {
        self.pad();
        (0..n).map(|_| self.u64()).collect()
    }
}

impl Window {
    pub fn decode(bytes: &[u8]) -> Window {
        let mut r = Reader { bytes, at: 0 };
        assert_eq!(r.u32(), 1);
        let flags_of_window = r.u32();
        let last = flags_of_window & 1 == 1;
        let (start, end, period, taken) = (r.u64(), r.u64(), r.u64(), r.u64());
        assert!(start < end);
        let lost: Vec<(u32, u64)> = (0..r.u32()).map(|_| (r.u32(), r.u32(), r.u64())).map(|(reason, _, count)| (reason, count)).collect();
        let [strings, binaries, frames, stacks, depth, processes, samples, string_bytes] = std::array::from_fn(|_| r.u32() as usize);
        let offsets = r.u32s(strings + 1);
        r.pad();
        let text = std::str::from_utf8(&bytes[r.at..r.at + string_bytes]).unwrap();
        r.at += string_bytes;
        let strings: Vec<&str> = offsets.windows(2).map(|pair| &text[pair[0] as usize..pair[1] as usize]).collect();
        assert_eq!(strings[0], "");
        let string = |row: u32| strings[row as usize].to_owned();
        let (path, build_id, htl_hash) = (r.u32s(binaries), r.u32s(binaries), r.u32s(binaries));
        let binaries =
            (0..binaries).map(|i| Binary { path: string(path[i]), build_id: string(build_id[i]), htl_hash: string(htl_hash[i]) }).collect();
        let kind = r.u32s(frames).into_iter().map(string).collect();
        let (binary, address) = (r.u32s(frames), r.u64s(frames));
        let function = r.u32s(frames).into_iter().map(string).collect();
        let file = r.u32s(frames).into_iter().map(string).collect();
        let (offsets, rows, flags) = (r.u32s(stacks + 1), r.u32s(depth), r.u32s(stacks));
        let stacks = offsets.windows(2).map(|pair| rows[pair[0] as usize..pair[1] as usize].to_vec()).collect();
        let n = processes;
        let (pid, comm, executable, cgroup_file) = (r.u32s(n), r.u32s(n), r.u32s(n), r.u32s(n));
        let (v2, v1, controller) = (r.u64s(n), r.u64s(n), r.u32s(n));
        let processes = (0..n).map(|i| {
            assert_eq!(v1[i] != 0, !string(controller[i]).is_empty());
            let (comm, executable, cgroup_file) = (string(comm[i]), string(executable[i]), string(cgroup_file[i]));
            Process { pid: pid[i], comm, executable, cgroup_file, cgroup_v2: v2[i], cgroup_v1: v1[i], cgroup_v1_controller: string(controller[i]) }
        });
        let processes = processes.collect();
        let (process, thread, stack, count) = (r.u32s(samples), r.u32s(samples), r.u32s(samples), r.u32s(samples));
        let one_in = if flags_of_window & 4 != 0 { r.u32s(count.len()) } else { vec![1; count.len()] };
        let samples =
            (0..samples).map(|i| Sample { process: process[i], thread: string(thread[i]), stack: stack[i], count: count[i], one_in: one_in[i] });
        let samples = samples.collect();
        let mut blocked = Vec::new();
        if flags_of_window & 2 != 0 {
            r.pad();
            let n = r.u32() as usize;
            let (process, thread, stack, count, ns) = (r.u32s(n), r.u32s(n), r.u32s(n), r.u32s(n), r.u64s(n));
            blocked =
                (0..n).map(|i| Blocked { process: process[i], thread: string(thread[i]), stack: stack[i], count: count[i], ns: ns[i] }).collect();
        }
        r.pad();
        assert_eq!(r.at, bytes.len());
        let lost = lost.into_iter().map(|(reason, count)| (string(reason), count)).collect();
        Window {
            last,
            start,
            end,
            period,
            taken,
            lost,
            frames: Frames { binaries, kind, binary, address, function, file },
            stacks,
            stack_flags: flags,
            processes,
            samples,
            blocked,
        }
    }

    /// Samples of both kinds.
    pub fn total(&self) -> u64 {
        let blocked = self.blocked.iter().map(|row| row.count);
        self.samples.iter().map(|sample| sample.count).chain(blocked).map(u64::from).sum()
    }

    pub fn lost_total(&self) -> u64 {
        self.lost.iter().map(|row| row.1).sum()
    }

    pub fn stack_is_kernel_only(&self, stack: usize) -> bool {
        self.stacks[stack].iter().all(|&frame| self.frames.kind[frame as usize] == "kernel")
    }
}
