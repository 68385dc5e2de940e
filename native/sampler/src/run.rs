//! The life of a sampler: the best rung that can run, one window after another, an orderly end.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::first::Start;
use crate::host;
use crate::options::Options;
use crate::own_processes::OwnProcesses;
use crate::protocol::{self, Command, Commands};
use crate::sampler::{Lost, Sampler};
use crate::system_wide::SystemWide;
use crate::window_lengths::WindowLengths;

/// A rung that could not run, and why.
type Tried = Vec<(u32, String)>;

pub fn run(options: &Options) -> Result<()> {
    host::install();
    let (sampler, tried) = open_best(options);
    say_hello(options, sampler.as_deref(), &tried)?;
    if !host::sees_host_processes() {
        protocol::log("warn", "not in the host's pid namespace: processes are named by numbers that /proc here does not know; set hostPID: true")?;
    }
    Run { sampler, rate: options.rate, unbalanced: false }.run(options)
}

struct Run {
    /// None on rung 4: only the node's state is reported.
    sampler: Option<Box<dyn Sampler>>,
    rate: u64,
    unbalanced: bool,
}

impl Run {
    fn run(mut self, options: &Options) -> Result<()> {
        let started = Instant::now();
        let mut lengths = WindowLengths::new(Duration::from_secs(options.window));
        let mut window_end = started + lengths.next();
        let deadline = options.duration.map(|seconds| started + Duration::from_secs(seconds));
        let mut commands = Commands::default();
        let mut drain_at = self.drain_time(window_end);
        let mut start = Start::now();
        loop {
            let until = deadline.map_or(window_end, |deadline| deadline.min(window_end)).min(drain_at);
            let (commands, ready) = wait(self.sampler.as_deref(), until.saturating_duration_since(Instant::now()), &mut commands);
            for command in commands {
                match command {
                    Command::Stop => host::stop(),
                    Command::Rate(rate) => {
                        // A window has one rate.
                        self.report(false)?;
                        window_end = Instant::now() + lengths.next();
                        self.set_rate(rate)?;
                    }
                    Command::Exclude(change) => {
                        if let Some(Err(error)) = self.sampler.as_mut().map(|sampler| sampler.exclude(&change)) {
                            protocol::log("warn", &format!("{error:#}"))?;
                        }
                    }
                }
            }
            start.end_when_over();
            let last = host::stopping() || deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if last || Instant::now() >= window_end {
                self.report(last)?;
                window_end = Instant::now() + lengths.next();
                drain_at = self.drain_time(window_end);
            } else if let Some(sampler) = &mut self.sampler {
                if Instant::now() >= drain_at {
                    sampler.drain()?;
                    drain_at = self.drain_time(window_end);
                } else if ready {
                    sampler.wake()?;
                }
                if self.sampler.as_mut().is_some_and(|sampler| sampler.resolver().window_is_large()) {
                    window_end = Instant::now();
                }
            }
            if last {
                return Ok(());
            }
        }
    }

    /// When the sampler's buffers could be full.
    fn drain_time(&self, window_end: Instant) -> Instant {
        let early = self.sampler.as_ref().map_or(u64::MAX, |sampler| sampler.drain_interval_ms());
        Instant::now().checked_add(Duration::from_millis(early.min(86_400_000))).unwrap_or(window_end)
    }

    fn set_rate(&mut self, rate: u64) -> Result<()> {
        match self.sampler.as_mut().map(|sampler| sampler.set_rate(rate)) {
            Some(Err(error)) => Ok(protocol::log("warn", &format!("{error:#}"))?),
            _ => {
                self.rate = rate;
                Ok(())
            }
        }
    }

    /// Ends a window.
    fn report(&mut self, last: bool) -> Result<()> {
        let (mut taken, mut lost, mut processes, mut sideband_lost) = (0, Lost::default(), 0, 0);
        if let Some(sampler) = &mut self.sampler {
            if last {
                sampler.stop();
            }
            sampler.drain()?;
            if !last {
                sampler.refresh();
            }
            (taken, lost, sideband_lost) = (sampler.taken(), sampler.lost(), sampler.sideband_lost());
            processes = sampler.resolver().processes.len();
            let window = sampler.resolver().finish(last, self.rate, taken, &lost);
            protocol::send(protocol::WINDOW, &window)?;
            if sampler.undrained() != 0 && !self.unbalanced {
                self.unbalanced = true;
                protocol::log("error", &format!("{} samples were stored in the kernel and not found when its maps were read", sampler.undrained()))?;
            }
        }
        let (mut cpu_ms, rss_kb) = host::usage();
        // Of one that has ended it is among that of this process's children.
        cpu_ms += self.sampler.as_mut().map_or(0, |sampler| sampler.resolver().processes.binaries.opener.cpu_ms());
        let lost: serde_json::Map<String, Value> = lost.rows().iter().map(|&(reason, count)| (reason.to_owned(), count.into())).collect();
        let mut stats =
            json!({ "taken": taken, "lost": lost, "cpuMs": cpu_ms, "rssKb": rss_kb, "processes": processes, "sidebandLost": sideband_lost });
        if let (Some(stats), Some(Value::Object(details))) = (stats.as_object_mut(), self.sampler.as_ref().map(|sampler| sampler.details())) {
            stats.extend(details);
        }
        Ok(protocol::send_json(protocol::STATS, &stats)?)
    }
}

fn say_hello(options: &Options, sampler: Option<&dyn Sampler>, tried: &Tried) -> Result<()> {
    let mut reasons: Vec<String> = tried.iter().map(|(rung, error)| format!("rung {rung}: {error}")).collect();
    if let Some(sampler) = sampler.filter(|sampler| options.off_cpu && !sampler.without_off_cpu().is_empty()) {
        reasons.push(format!("blocked time is left out: {}", sampler.without_off_cpu()));
    }
    let reason = reasons.join("; ");
    let tried: Vec<Value> = tried.iter().map(|(rung, error)| json!({ "rung": rung, "error": error })).collect();
    let hello = json!({
        "protocol": 1, "rung": sampler.map_or(4, Sampler::rung), "reason": reason, "kernel": host::kernel_release(),
        "cpus": sampler.map_or(0, Sampler::cpus), "rateHz": options.rate, "event": sampler.map_or("cpu-clock", Sampler::event),
        "eventReason": sampler.map_or("", Sampler::event_reason),
        "capabilities": host::capabilities(), "tried": tried,
        "features": sampler.map_or(Vec::new(), Sampler::features),
    });
    Ok(protocol::send_json(protocol::HELLO, &hello)?)
}

fn open_rung(rung: u32, options: &Options) -> Result<Box<dyn Sampler>> {
    let Options { rate, window, pid, .. } = *options;
    Ok(match rung {
        1 => open_bpf(options)?,
        2 => Box::new(SystemWide::open(rate, window, pid)?),
        _ => Box::new(OwnProcesses::open(rate, pid)?),
    })
}

#[cfg(feature = "bpf")]
fn open_bpf(options: &Options) -> Result<Box<dyn Sampler>> {
    Ok(Box::new(crate::bpf::Bpf::open(options)?))
}

#[cfg(not(feature = "bpf"))]
fn open_bpf(_: &Options) -> Result<Box<dyn Sampler>> {
    anyhow::bail!("this build has no eBPF: clang, make, pkg-config or the headers of libelf and zlib were missing when it was made")
}

/// The best rung that can run, and why those above it cannot.
fn open_best(options: &Options) -> (Option<Box<dyn Sampler>>, Tried) {
    let mut tried = Vec::new();
    for rung in (1..=3).filter(|rung| options.rung == 0 || options.rung == *rung) {
        match open_rung(rung, options) {
            Ok(sampler) => {
                if rung != 1 {
                    crate::privileges::reduce();
                }
                return (Some(sampler), tried);
            }
            Err(error) => tried.push((rung, format!("{error:#}"))),
        }
    }
    (None, tried)
}

/// Tries each rung for a moment.
pub fn probe(options: &Options) -> Value {
    host::install();
    const NEEDS: [&str; 3] = [
        "CAP_BPF and CAP_PERFMON (or root), kernel 5.10 or later with BTF",
        "CAP_PERFMON (or root), or kernel.perf_event_paranoid = -1",
        "kernel.perf_event_paranoid of at most 2; sees this user's processes only",
    ];
    let rungs: Vec<Value> = (1..=3)
        .zip(NEEDS)
        .map(|(rung, needs)| {
            let error = open_rung(rung, options).err().map(|error| format!("{error:#}"));
            json!({ "rung": rung, "ok": error.is_none(), "error": error.unwrap_or_default(), "needs": needs })
        })
        .collect();
    json!({ "kernel": host::kernel_release(), "capabilities": host::capabilities(), "hostPid": host::sees_host_processes(), "rungs": rungs })
}

/// Sleeps until a ring wants to be read, the parent says something, a signal arrives or the time is over. What the parent said, and
/// whether a ring wants to be read.
fn wait(sampler: Option<&dyn Sampler>, time: Duration, commands: &mut Commands) -> (Vec<Command>, bool) {
    let poll = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut fds = vec![poll(0), poll(host::wake_descriptor())];
    fds.extend(sampler.iter().flat_map(|sampler| sampler.descriptors()).map(poll));
    let milliseconds = time.as_millis().min(60_000) as i32 + 1;
    // SAFETY: the array holds as many entries as stated and outlives the call.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, milliseconds) };
    let said = if ready > 0 && fds[0].revents != 0 { commands.read() } else { Vec::new() };
    (said, ready > 0 && fds[2..].iter().any(|fd| fd.revents != 0))
}
