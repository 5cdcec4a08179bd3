//! What is handed out: tables with the machine and the settings that they were measured with.

use crate::machine::Machine;
use serde::Serialize;
use std::fmt::Write;

#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) tables: Vec<Table>,
}

/// One measurement. The first column says what was measured.
#[derive(Serialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// What it was measured with, name and value.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        Self {
            title: title.into(),
            settings: Vec::new(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn setting(&mut self, name: &str, value: impl ToString) {
        self.settings.push((name.to_owned(), value.to_string()));
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.columns.len(), "{}", self.title);
        self.rows.push(cells);
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// A Markdown table, aligned so that it reads well as plain text too.
    pub(crate) fn markdown(&self) -> String {
        let all = || std::iter::once(&self.columns).chain(&self.rows);
        let width =
            |n: usize| all().map(|cells| cells[n].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = format!("### {}\n\n", self.title);
        let settings: Vec<String> =
            self.settings.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        if !settings.is_empty() {
            let _ = writeln!(text, "{}.\n", settings.join(" · "));
        }
        for (n, cells) in all().enumerate() {
            let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                let pad = " ".repeat(width - cell.chars().count());
                if column == 0 { format!("{cell}{pad}") } else { format!("{pad}{cell}") }
            });
            let _ = writeln!(text, "| {} |", padded.collect::<Vec<_>>().join(" | "));
            if n == 0 {
                let rule = widths.iter().enumerate().map(|(column, &width)| {
                    let dashes = "-".repeat(width.max(2) - 1);
                    if column == 0 { format!("{dashes}-") } else { format!("{dashes}:") }
                });
                let _ = writeln!(text, "| {} |", rule.collect::<Vec<_>>().join(" | "));
            }
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        text
    }
}

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let tables: Vec<String> = self.tables.iter().map(Table::markdown).collect();
        format!("{}\n\n{}", self.machine, tables.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_well_as_text() {
        let mut table = Table::new("Rates", &["What", "per s"]);
        table.setting("in flight", 80);
        table.row(["null".to_owned(), "120".to_owned()]);
        table.note("A note.");
        let expected = "### Rates\n\nin flight: 80.\n\n| What | per s |\n| ---- | ----: |\n\
                        | null |   120 |\n\nA note.\n";
        assert_eq!(table.markdown(), expected);
    }
}
