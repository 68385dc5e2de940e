//! The command line.

use anyhow::{Context, Result, bail};

pub struct Options {
    pub rate: u64,
    /// Seconds.
    pub window: u64,
    /// 0 = the first that can run.
    pub rung: u32,
    pub pid: Option<u32>,
    /// Seconds; None = until told to stop.
    pub duration: Option<u64>,
    /// Version 1 cgroup controller whose ids tag the samples; None = the best that is mounted.
    pub cgroup_controller: Option<String>,
    /// MiB of kernel memory for unwind tables and mappings.
    pub table_memory: u64,
    /// Distinct stacks, in pieces of 32 frames, that a window may have in the kernel; None = by rate, window and CPUs.
    pub stacks: Option<u64>,
    /// Blocked time of threads, too.
    pub off_cpu: bool,
    /// Frames of the kernel in a stack (rung 1); None = as many as there can be.
    pub kernel_frames: Option<u32>,
    /// Walk stacks as on kernels before 5.17.
    pub walk_by_calls: bool,
    pub probe: bool,
}

pub const HELP: &str = "perfleet-sampler: stacks of every process, written as frames to standard output (PROTOCOL.md)

  --rate HZ        samples a second and CPU (19)
  --window SECONDS length of a window (5)
  --rung N         auto, 1 (eBPF), 2 (perf, whole system) or 3 (perf, own processes)
  --pid N          this process only
  --duration S     stop after so many seconds
  --cgroup-controller NAME  version 1 controller whose cgroup ids tag the samples (memory, else the best mounted)
  --table-memory MB  kernel memory for unwind tables (32); what is not used goes first
  --stacks N       distinct stacks of a window in the kernel, in pieces of 32 frames (by rate, window and CPUs); more are lost, and counted
  --off-cpu        time that threads are blocked, too (rung 1)
  --kernel-frames N  of the kernel in a stack (127, or what kernel.perf_event_max_stack allows); more are cut (rung 1)
  --walk-by-calls  walk stacks as on kernels before 5.17, which have no loops in BPF
  --probe          print as JSON which rungs can run, and why not, and exit";

impl Options {
    /// None when help was asked for.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>> {
        let mut options = Options {
            rate: 19,
            window: 5,
            rung: 0,
            pid: None,
            duration: None,
            cgroup_controller: None,
            table_memory: 32,
            stacks: None,
            off_cpu: false,
            kernel_frames: None,
            walk_by_calls: false,
            probe: false,
        };
        while let Some(flag) = args.next() {
            let mut value = || args.next().with_context(|| format!("{flag} wants a value; see --help"));
            match flag.as_str() {
                "--help" | "-h" => return Ok(None),
                "--probe" => options.probe = true,
                "--rate" => options.rate = number(&flag, &value()?, 1, 9999)?,
                "--window" => options.window = number(&flag, &value()?, 1, 3600)?,
                "--pid" => options.pid = Some(number(&flag, &value()?, 1, 4_194_304)? as u32),
                "--duration" => options.duration = Some(number(&flag, &value()?, 1, 86_400)?),
                "--table-memory" => options.table_memory = number(&flag, &value()?, 1, 4096)?,
                "--stacks" => options.stacks = Some(number(&flag, &value()?, 1, 1 << 20)?),
                "--kernel-frames" => options.kernel_frames = Some(number(&flag, &value()?, 1, 127)? as u32),
                "--off-cpu" => options.off_cpu = true,
                "--walk-by-calls" => options.walk_by_calls = true,
                "--cgroup-controller" => options.cgroup_controller = Some(value()?),
                "--rung" => {
                    let text = value()?;
                    options.rung = if text == "auto" { 0 } else { number(&flag, &text, 1, 3)? as u32 };
                }
                _ => bail!("unknown option {flag}; see --help"),
            }
        }
        Ok(Some(options))
    }
}

fn number(flag: &str, text: &str, min: u64, max: u64) -> Result<u64> {
    text.parse().ok().filter(|n| (min..=max).contains(n)).with_context(|| format!("{flag} {text}: expected a whole number from {min} to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Option<Options>> {
        Options::parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn reads_flags_and_names_what_is_wrong() {
        let options = parse(&["--rate", "49", "--rung", "auto", "--cgroup-controller", "pids"]).unwrap().unwrap();
        assert_eq!((options.rate, options.rung, options.window), (49, 0, 5));
        assert_eq!(options.cgroup_controller.as_deref(), Some("pids"));
        assert!(parse(&["--help"]).unwrap().is_none());
        for wrong in [&["--rate", "0"][..], &["--rate"], &["--rung", "4"], &["--what"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
