//! The journal: a file with one JSON line per definitive answer, only ever appended to.

use crate::answer::Answer;
use crate::books::Entry;
use anyhow::{Context, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The most entries that share one fsync.
const GROUP_ENTRIES_MAX: usize = 1024;

/// The open journal, standing at its end.
pub(crate) struct Journal {
    file: File,
}

/// An entry on its way to the journal, and who waits for it to be there.
pub(crate) struct Sheet {
    pub(crate) entry: Entry,
    pub(crate) written: oneshot::Sender<Arc<Answer>>,
}

impl Journal {
    /// Opens or makes the journal and reads it. A torn last line, whose answer was never given,
    /// is cut off.
    pub(crate) fn open(path: &Path) -> anyhow::Result<(Self, Vec<Entry>)> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).context("make its folder")?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .context("open the file")?;
        lock(&file)?;
        let (entries, whole_bytes) = read(&file)?;
        file.set_len(whole_bytes).context("cut off the torn last line")?;
        file.sync_all().context("sync the file")?;
        // Without this, a machine that dies could forget that the file was made.
        File::open(folder).and_then(|folder| folder.sync_all()).context("sync its folder")?;
        Ok((Self { file }, entries))
    }

    /// Writes sheets until nobody can send one any more.
    ///
    /// All sheets that wait when an fsync ends go into the next one. `publish` is called for each
    /// entry in the order of the file, after it is safe and before its waiter hears of it.
    pub(crate) fn keep(
        mut self,
        mut sheets: mpsc::Receiver<Sheet>,
        publish: impl Fn(Entry) -> Arc<Answer>,
    ) -> anyhow::Result<()> {
        let mut group = Vec::new();
        while sheets.blocking_recv_many(&mut group, GROUP_ENTRIES_MAX) > 0 {
            self.append(&group)?;
            for Sheet { entry, written } in group.drain(..) {
                // Nobody may be waiting: the work goes on when the client has gone.
                let _gone = written.send(publish(entry));
            }
        }
        Ok(())
    }

    fn append(&mut self, group: &[Sheet]) -> anyhow::Result<()> {
        let mut lines = Vec::new();
        for sheet in group {
            serde_json::to_writer(&mut lines, &sheet.entry).context("write an entry as JSON")?;
            lines.push(b'\n');
        }
        self.file.write_all(&lines).context("append to the file")?;
        self.file.sync_data().context("sync the file")
    }
}

/// Two gateways over one journal would each give answers that the other does not know.
fn lock(file: &File) -> anyhow::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => bail!("another house gateway is using it"),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, "the file system has no locks, so the journal is not guarded");
            Ok(())
        }
    }
}

/// The entries in the file, and how many bytes their lines take.
fn read(file: &File) -> anyhow::Result<(Vec<Entry>, u64)> {
    let mut reader = BufReader::new(file);
    let mut entries = Vec::new();
    let mut whole_bytes = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes = reader.read_until(b'\n', &mut line).context("read the file")?;
        if bytes == 0 {
            return Ok((entries, whole_bytes));
        }
        if line.last() != Some(&b'\n') {
            tracing::warn!(torn_bytes = bytes, "the journal's last line is torn and is cut off");
            return Ok((entries, whole_bytes));
        }
        let entry = serde_json::from_slice(&line);
        entries.push(entry.with_context(|| format!("read line {}", entries.len() + 1))?);
        whole_bytes += bytes as u64;
    }
}
