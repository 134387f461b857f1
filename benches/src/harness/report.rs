//! The table.

use std::fmt;

use super::pairs::spread;
use super::{Block, Compared, Settings};

/// What a figure is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// For orientation.
    None,
}

impl Target {
    fn holds(self, figure: f64) -> &'static str {
        match self {
            Target::AtLeast(least) if figure >= least => "yes",
            Target::AtMost(most) if figure <= most => "yes",
            Target::None => "",
            _ => "**no**",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::AtLeast(least) => write!(f, "≥ {least}"),
            Target::AtMost(most) => write!(f, "≤ {most}"),
            Target::None => Ok(()),
        }
    }
}

/// One line of the table.
pub(crate) struct Row {
    cells: [String; 9],
}

impl Row {
    /// A comparison; `unit` is of the blocks' values.
    pub(crate) fn compared(what: &str, unit: &str, target: Target, compared: &Compared) -> Self {
        let (ratio, low, high) = compared.ratio();
        let side = |blocks: &[Block]| {
            let (median, ..) = spread(blocks.iter().map(|block| block.value).collect());
            let value = if median >= 1000.0 { format!("{:.1}k", median / 1000.0) } else { format!("{median:.2}") };
            let tails: Vec<f64> = blocks.iter().filter_map(|block| block.p99_ms).collect();
            if tails.is_empty() { format!("{value} {unit}") } else { format!("{value} {unit} (p99 {:.1})", spread(tails).0) }
        };
        let cpu = |blocks: &[Block]| format!("{:.4}", spread(blocks.iter().map(|block| block.cpu_s_per_1000).collect()).0);
        let machine = |values: Vec<f64>| {
            let (median, low, high) = spread(values);
            format!("{median:.2} ({low:.2}–{high:.2})")
        };
        Self {
            cells: [
                what.to_owned(),
                side(&compared.ours),
                side(&compared.bare),
                format!("{ratio:.2} ({low:.2}–{high:.2})"),
                target.to_string(),
                target.holds(ratio).to_owned(),
                format!("{} / {}", cpu(&compared.ours), cpu(&compared.bare)),
                machine(compared.machine.iter().map(|machine| machine.fsync_ms).collect()),
                machine(compared.machine.iter().map(|machine| machine.spin_ms).collect()),
            ],
        }
    }

    /// A figure that stands for itself.
    pub(crate) fn figure(what: &str, figure: f64, unit: &str, target: Target) -> Self {
        let mut cells: [String; 9] = Default::default();
        cells[0] = what.to_owned();
        cells[1] = format!("{figure:.0} {unit}");
        cells[4] = target.to_string();
        cells[5] = target.holds(figure).to_owned();
        Self { cells }
    }
}

/// All lines.
pub(crate) struct Report {
    head: String,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(settings: &Settings) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib: f64 = memory.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
        let head = format!(
            "{} pairs of blocks of {} s in alternating order, {cores} cores, {:.0} GiB of memory; Kafka is one node on the same machine, acknowledged without fsync.",
            settings.pairs,
            settings.block_s,
            kib / 1024.0 / 1024.0
        );
        Self { head, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("  {}", row.cells.join(" | "));
        self.rows.push(row);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.head)?;
        writeln!(
            f,
            "| what | ours | bare | ours ÷ bare, median (min–max) | target | met | CPU s per 1,000, ours / bare | fsync ms | spin ms |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.cells.join(" | "))?;
        }
        Ok(())
    }
}
