//! What everything was measured on.

use anyhow::Context;
use serde::Serialize;
use std::fmt;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const CARGO_LOCK: &str = include_str!("../../../Cargo.lock");

const FSYNC_FOR: Duration = Duration::from_secs(2);
/// As much as a small commit of SQLite writes.
const FSYNC_BYTES: usize = 4096;

#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    /// The file system and the device below the data folder.
    pub(crate) disk: String,
    pub(crate) fsyncs_per_sec: f64,
    pub(crate) load_before: String,
    pub(crate) kernel: String,
    pub(crate) marquee: &'static str,
    pub(crate) sdk: &'static str,
    pub(crate) profile: &'static str,
    pub(crate) at: String,
}

impl Machine {
    /// Looks around; writes for two seconds in the folder.
    pub(crate) fn look(data_dir: &Path) -> anyhow::Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib: f64 = memory
            .and_then(|text| text.split(' ').next().and_then(|kib| kib.parse().ok()))
            .unwrap_or_default();
        Ok(Self {
            cpu: field(&read("/proc/cpuinfo"), "model name")
                .unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: (kib / 1024.0 / 1024.0 * 10.0).round() / 10.0,
            disk: disk_of(data_dir, &read("/proc/self/mounts")),
            fsyncs_per_sec: fsyncs_per_sec(data_dir)?.round(),
            load_before: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            marquee: env!("CARGO_PKG_VERSION"),
            sdk: locked_version("temporalio-sdk"),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            at: format!("{:.0}", jiff::Timestamp::now()),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_gib, disk, fsyncs_per_sec, load_before, .. } = self;
        let Self { kernel, marquee, sdk, profile, at, .. } = self;
        write!(
            f,
            "{cpu}, {cores} cores, {memory_gib} GiB; {disk}, {fsyncs_per_sec} fsync/s of {FSYNC_BYTES} bytes; \
             Linux {kernel}, load before {load_before}. Marquee {marquee} ({profile} build), \
             Temporal SDK {sdk}. {at}. Everything, load generator included, on these cores."
        )
    }
}

/// The longest mount point above the folder.
fn disk_of(folder: &Path, mounts: &str) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let above = mounts.filter(|mount| mount.len() > 2 && folder.starts_with(mount[1]));
    let nearest = above.max_by_key(|mount| mount[1].len());
    nearest
        .map_or_else(|| "unknown disk".to_owned(), |mount| format!("{} on {}", mount[2], mount[0]))
}

/// How often per second a small write can be made to outlast a power cut.
fn fsyncs_per_sec(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("fsync");
    let mut file =
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(&[0; FSYNC_BYTES])?;
    file.sync_all()?;
    let (began, mut count) = (Instant::now(), 0u32);
    while began.elapsed() < FSYNC_FOR {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[1; FSYNC_BYTES])?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    Ok(rate)
}

/// The version that this was built with.
fn locked_version(package: &str) -> &'static str {
    let (_, after) = CARGO_LOCK
        .split_once(&format!("name = \"{package}\"\nversion = \""))
        .expect("Cargo.lock is compiled in, and a test looks this up");
    after.split_once('"').expect("a version ends").0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_sdk_is_known() {
        assert!(locked_version("temporalio-sdk").starts_with("1."));
    }

    #[test]
    fn the_disk_is_that_of_the_longest_mount_point() {
        let mounts = "/dev/a / ext4 rw 0 0\n/dev/b /var xfs rw 0 0\n/dev/c /v tmpfs rw 0 0";
        assert_eq!(disk_of(Path::new("/var/none/such"), mounts), "xfs on /dev/b");
        assert_eq!(disk_of(Path::new("/vary"), mounts), "ext4 on /dev/a");
    }
}
