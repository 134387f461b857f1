//! Fault kind × count × violations × longest recovery.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const HEADINGS: [&str; 4] = ["fault", "times", "violations", "longest recovery"];

/// What came of one kind of fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    times: u64,
    violations: u64,
    /// `None`: it has no recovery, or never came back.
    longest_recovery_ms: Option<u64>,
}

/// What came of all faults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    faults: BTreeMap<String, Row>,
    /// Every rule that was broken, in the order in which it was seen.
    violations: Vec<String>,
}

impl Tally {
    /// A fault of this kind was inflicted; everything moved again after `recovery`.
    pub fn add(&mut self, kind: impl fmt::Display, recovery: Option<Duration>) {
        let row = self.faults.entry(kind.to_string()).or_default();
        row.times += 1;
        let recovery_ms = recovery.map(|recovery| u64::try_from(recovery.as_millis()).unwrap_or(u64::MAX));
        row.longest_recovery_ms = row.longest_recovery_ms.max(recovery_ms);
    }

    /// A rule was seen broken after a fault of this kind.
    pub fn violation(&mut self, kind: impl fmt::Display, what: impl fmt::Display) {
        self.faults.entry(kind.to_string()).or_default().violations += 1;
        self.violations.push(format!("{kind}: {what}"));
    }

    /// Every rule that was broken.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Faults inflicted so far.
    pub fn times(&self) -> u64 {
        self.faults.values().map(|row| row.times).sum()
    }

    fn cells(&self) -> Vec<[String; 4]> {
        let longest = |row: &Row| row.longest_recovery_ms.map_or_else(|| "–".into(), |ms| format!("{:.1} s", ms as f64 / 1000.0));
        let all = self.faults.iter().map(|(kind, row)| [kind.clone(), row.times.to_string(), row.violations.to_string(), longest(row)]);
        let total = Row {
            times: self.times(),
            violations: self.violations.len() as u64,
            longest_recovery_ms: self.faults.values().filter_map(|row| row.longest_recovery_ms).max(),
        };
        let total_cells = ["all".into(), total.times.to_string(), total.violations.to_string(), longest(&total)];
        std::iter::once(HEADINGS.map(str::to_owned)).chain(all).chain([total_cells]).collect()
    }

    /// As a Markdown table.
    pub fn markdown(&self) -> String {
        let mut rows: Vec<String> = self.cells().iter().map(|cells| format!("| {} |\n", cells.join(" | "))).collect();
        rows.insert(1, "|---|---:|---:|---:|\n".into());
        rows.concat()
    }
}

/// For people: a line per kind, as wide as it has to be.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.cells();
        let width = rows.iter().map(|row| row[0].chars().count()).max().unwrap_or(0);
        for [kind, times, violations, longest] in &rows {
            writeln!(f, "{kind:<width$}  {times:>5}  {violations:>10}  {longest:>16}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_adds_up() {
        let mut tally = Tally::default();
        tally.add("kill", Some(Duration::from_millis(1_500)));
        tally.add("kill", Some(Duration::from_millis(700)));
        tally.add("pause", None);
        tally.violation("pause", "an order stands still");
        assert_eq!(tally.times(), 3);
        assert_eq!(tally.violations(), ["pause: an order stands still"]);
        let text = tally.to_string();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["kill", "2", "0", "1.5", "s"]);
        assert_eq!(lines[2], ["pause", "1", "1", "–"]);
        assert_eq!(lines[3], ["all", "3", "1", "1.5", "s"]);
        assert_eq!(tally.markdown().lines().nth(2), Some("| kill | 2 | 0 | 1.5 s |"));
    }
}
