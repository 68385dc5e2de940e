//! The node's sampler: a child process that speaks PROTOCOL.md on its standard streams.

mod elf;
mod kallsyms;
mod options;
mod perf;
mod perf_map;
mod processes;
mod protocol;
mod records;
mod system_wide;
mod window;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::{Value, json};

use options::{HELP, Options};
use protocol::{Command, Commands};
use system_wide::SystemWide;

static STOP: AtomicBool = AtomicBool::new(false);

/// Unix nanoseconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return println!("{HELP}"),
        Err(error) => {
            eprintln!("perfleet-sampler: {error:#}");
            std::process::exit(2);
        }
    };
    if options.probe {
        println!("{}", probe());
        return;
    }
    // A write that fails means that the parent is gone: there is nobody left to tell.
    if let Err(error) = run(&options) {
        eprintln!("perfleet-sampler: {error:#}");
        std::process::exit(1);
    }
}

fn run(options: &Options) -> Result<()> {
    die_with_parent();
    let (mut sampler, tried) = open(options);
    let reason = tried.iter().map(|(rung, error)| format!("rung {rung}: {error}")).collect::<Vec<_>>().join("; ");
    let tried: Vec<Value> = tried.iter().map(|(rung, error)| json!({ "rung": rung, "error": error })).collect();
    protocol::send_json(
        protocol::HELLO,
        &json!({
            "protocol": 1, "rung": if sampler.is_some() { 2 } else { 4 }, "reason": reason, "kernel": kernel_release(),
            "cpus": sampler.as_ref().map_or(0, SystemWide::cpus), "rateHz": options.rate, "event": "cpu-clock",
            "capabilities": [], "tried": tried,
        }),
    )?;
    let started = Instant::now();
    let mut commands = Commands::default();
    let mut window_end = started + Duration::from_secs(options.window);
    let deadline = options.duration.map(|seconds| started + Duration::from_secs(seconds));
    loop {
        let until = deadline.map_or(window_end, |deadline| deadline.min(window_end));
        for command in wait(&sampler, until.saturating_duration_since(Instant::now()), &mut commands) {
            match (command, &mut sampler) {
                (Command::Stop, _) => STOP.store(true, Ordering::Relaxed),
                (Command::Rate(rate), Some(sampler)) => {
                    if let Err(error) = sampler.set_rate(rate) {
                        protocol::log("warn", &format!("{error:#}"))?;
                    }
                }
                (Command::Rate(_), None) => {}
            }
        }
        let last = STOP.load(Ordering::Relaxed) || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if let Some(sampler) = &mut sampler {
            sampler.drain();
        }
        if last || Instant::now() >= window_end {
            report(sampler.as_mut(), last)?;
            window_end = Instant::now() + Duration::from_secs(options.window);
        }
        if last {
            return Ok(());
        }
    }
}

/// The best rung that can run, and why those above it cannot.
fn open(options: &Options) -> (Option<SystemWide>, Vec<(u32, String)>) {
    let mut tried = Vec::new();
    let wanted = |rung| options.rung == 0 || options.rung == rung;
    if wanted(1) {
        tried.push((1, "this build has no eBPF sampler".to_owned()));
    }
    if wanted(2) {
        match SystemWide::open(options.rate, options.window, options.pid) {
            Ok(sampler) => return (Some(sampler), tried),
            Err(error) => tried.push((2, format!("{error:#}"))),
        }
    }
    if wanted(3) {
        tried.push((3, "this build cannot sample own processes only".to_owned()));
    }
    (None, tried)
}

fn report(sampler: Option<&mut SystemWide>, last: bool) -> Result<()> {
    let (mut taken, mut lost, mut processes) = (0, 0, 0);
    if let Some(sampler) = sampler {
        protocol::send(protocol::WINDOW, &sampler.finish(last))?;
        (taken, lost, processes) = (sampler.taken(), sampler.lost(), sampler.process_count());
    }
    let (cpu_ms, rss_kb) = usage();
    let stats = json!({ "taken": taken, "lost": { "ring-full": lost }, "cpuMs": cpu_ms, "rssKb": rss_kb, "processes": processes });
    Ok(protocol::send_json(protocol::STATS, &stats)?)
}

/// Sleeps until a ring is half full, the parent says something, a signal arrives or the time is over.
fn wait(sampler: &Option<SystemWide>, time: Duration, commands: &mut Commands) -> Vec<Command> {
    let poll = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut fds = vec![poll(0)];
    fds.extend(sampler.iter().flat_map(SystemWide::descriptors).map(poll));
    let milliseconds = time.as_millis().min(60_000) as i32 + 1;
    // SAFETY: the array holds as many entries as stated and outlives the call.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, milliseconds) };
    if ready > 0 && fds[0].revents != 0 { commands.read() } else { Vec::new() }
}

extern "C" fn on_signal(_: libc::c_int) {
    STOP.store(true, Ordering::Relaxed);
}

fn die_with_parent() {
    // SAFETY: the handler only stores to an atomic; the structures are plain data that the kernel copies.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        for signal in [libc::SIGTERM, libc::SIGINT] {
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

/// CPU time in milliseconds and largest resident set in kB of this process.
fn usage() -> (i64, i64) {
    // SAFETY: getrusage fills the structure that it is given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let ms = |t: libc::timeval| t.tv_sec * 1000 + t.tv_usec / 1000;
    (ms(usage.ru_utime) + ms(usage.ru_stime), usage.ru_maxrss)
}

fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

fn probe() -> Value {
    let rung2 = SystemWide::open(19, 1, None).err().map(|error| format!("{error:#}"));
    json!({
        "kernel": kernel_release(),
        "rungs": [
            { "rung": 1, "ok": false, "error": "this build has no eBPF sampler" },
            { "rung": 2, "ok": rung2.is_none(), "error": rung2.unwrap_or_default() },
            { "rung": 3, "ok": false, "error": "this build cannot sample own processes only" },
        ],
    })
}
