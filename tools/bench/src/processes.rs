//! What the kernel knows of a process: its CPU time and its memory, also by thread. CPU time
//! changes with what else the machine does too, but far less than elapsed time.

use anyhow::Context;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// A process that takes part, with those that it started.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// Its children do its work, as those of PostgreSQL do.
    pub(crate) with_children: bool,
}

impl Process {
    pub(crate) fn alone(name: &str, pid: u32) -> Self {
        Self { name: name.to_owned(), pid, with_children: false }
    }

    /// User and system time so far; that of ended children is part of it.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let own = Stat::read(&format!("/proc/{}/stat", self.pid))?;
        let children = if self.with_children { children(self.pid)? } else { Vec::new() };
        let ended = if self.with_children { own.ended_children } else { Duration::ZERO };
        Ok(own.cpu + ended + children.iter().map(|stat| stat.cpu).sum::<Duration>())
    }

    /// What it holds in memory, in bytes. Memory that processes share counts once for each.
    pub(crate) fn memory_bytes(&self) -> anyhow::Result<u64> {
        let mut pids = vec![self.pid];
        if self.with_children {
            pids.extend(children(self.pid)?.iter().map(|stat| stat.pid));
        }
        // A child may have ended since.
        Ok(pids.into_iter().filter_map(|pid| resident_bytes(pid).ok()).sum())
    }

    /// The CPU time of its threads by what they are called, numbers left out.
    pub(crate) fn cpu_by_thread(&self) -> anyhow::Result<BTreeMap<String, Duration>> {
        let mut by_name = BTreeMap::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            // A thread may end meanwhile.
            let path = thread?.path().join("stat");
            let Ok(stat) = Stat::read(&path.to_string_lossy()) else { continue };
            let name = stat.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
            *by_name.entry(name.to_owned()).or_default() += stat.cpu;
        }
        Ok(by_name)
    }
}

/// The CPU time of some processes at one moment.
pub(crate) struct CpuMeter {
    processes: Vec<Process>,
    before: Vec<Duration>,
}

impl CpuMeter {
    pub(crate) fn start(processes: &[Process]) -> anyhow::Result<Self> {
        let before = processes.iter().map(Process::cpu).collect::<anyhow::Result<_>>()?;
        Ok(Self { processes: processes.to_vec(), before })
    }

    /// What each has used since, in the order of the processes.
    pub(crate) fn used(&self) -> anyhow::Result<Vec<(String, Duration)>> {
        let pairs = self.processes.iter().zip(&self.before);
        pairs
            .map(|(process, before)| {
                Ok((process.name.clone(), process.cpu()?.saturating_sub(*before)))
            })
            .collect()
    }
}

struct Stat {
    pid: u32,
    name: String,
    parent: u32,
    cpu: Duration,
    ended_children: Duration,
}

impl Stat {
    fn read(path: &str) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        Self::parse(&text).with_context(|| format!("cannot understand {path}: {text}"))
    }

    /// See proc_pid_stat(5). The name may hold spaces and brackets.
    fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.rsplit_once(')')?;
        let (pid, name) = before.split_once(" (")?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        // The first field after the name is the third of all.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let per_sec = rustix::param::clock_ticks_per_second();
        let time = |ticks: u64| Duration::from_secs_f64(ticks as f64 / per_sec as f64);
        Some(Self {
            pid: pid.parse().ok()?,
            name: name.to_owned(),
            parent: u32::try_from(field(4)?).ok()?,
            cpu: time(field(14)? + field(15)?),
            ended_children: time(field(16)? + field(17)?),
        })
    }
}

fn children(of: u32) -> anyhow::Result<Vec<Stat>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let is_process =
            path.file_name().is_some_and(|name| name.to_string_lossy().parse::<u32>().is_ok());
        if is_process
            && let Ok(stat) = Stat::read(&path.join("stat").to_string_lossy())
            && stat.parent == of
        {
            found.push(stat);
        }
    }
    Ok(found)
}

fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages: u64 = text.split_whitespace().nth(1).context("no second field")?.parse()?;
    Ok(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_is_no_obstacle() {
        let text = "42 (a) b c) S 7 1 1 0 -1 0 10 0 0 0 200 50 30 20 20 0 1 0 0 0 0";
        let stat = Stat::parse(text).expect("a line of the kernel");
        assert_eq!((stat.pid, stat.name.as_str(), stat.parent), (42, "a) b c", 7));
        let per_sec = rustix::param::clock_ticks_per_second();
        assert_eq!(stat.cpu, Duration::from_secs_f64(250.0 / per_sec as f64));
        assert_eq!(stat.ended_children, Duration::from_secs_f64(50.0 / per_sec as f64));
    }

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let me = Process::alone("me", std::process::id());
        let meter = CpuMeter::start(std::slice::from_ref(&me)).expect("/proc");
        let mut sum = 0u64;
        while meter.used().expect("/proc")[0].1 < Duration::from_millis(20) {
            sum = std::hint::black_box((0..100_000).fold(sum, u64::wrapping_add));
        }
        assert!(me.memory_bytes().expect("/proc") > 1_000_000);
        assert!(me.cpu_by_thread().expect("/proc").values().sum::<Duration>() > Duration::ZERO);
    }
}
