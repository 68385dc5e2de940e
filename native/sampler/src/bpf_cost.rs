//! What a BPF program costs those that it interrupts. The kernel counts it only while kernel.bpf_stats_enabled is 1, and then for
//! every BPF program of the machine: that is the operator's to turn on, not this sampler's.

/// Run time in milliseconds since the program was loaded; None while the kernel does not count it.
pub fn run_time_ms(program: i32) -> Option<u64> {
    run_time_of(&std::fs::read_to_string(format!("/proc/self/fdinfo/{program}")).ok()?)
}

fn run_time_of(fdinfo: &str) -> Option<u64> {
    let text = fdinfo.lines().find_map(|line| line.strip_prefix("run_time_ns:"))?;
    let ns: u64 = text.trim().parse().ok()?;
    (ns > 0).then_some(ns / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::run_time_of;

    #[test]
    fn is_what_the_kernel_counted_if_it_did() {
        let info = |ns| format!("pos:\t0\nprog_type:\t7\nrun_time_ns:\t{ns}\nrun_cnt:\t3\nrecursion_misses:\t0\n");
        assert_eq!(run_time_of(&info("12345678")), Some(12));
        assert_eq!(run_time_of(&info("0")), None);
        assert_eq!(run_time_of(&info("x")), None);
        assert_eq!(run_time_of("pos:\t0\n"), None);
    }
}
