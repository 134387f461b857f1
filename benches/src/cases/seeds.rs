//! How many seeds the simulation runs in a minute of one core.

use std::process::{Command, Stdio};

use crate::harness::{Outcome, Report, Row, Settings, Target, cpu_of_children, ensure};

/// Seeds per second of a block: enough for the CPU time, which comes in hundredths of a second.
const SEEDS_PER_S: f64 = 100.0;

pub(super) fn run(settings: &Settings, report: &mut Report) -> Outcome<()> {
    let this = std::env::current_exe()?;
    let program = this.with_file_name("simulate");
    ensure(program.is_file(), || format!("{} is missing: cargo build --release --workspace", program.display()))?;
    let seeds = (SEEDS_PER_S * settings.block_s * settings.pairs as f64).ceil();
    let before = cpu_of_children();
    let output = Command::new(program).args(["--seeds", &format!("0..{seeds}")]).stdin(Stdio::null()).output()?;
    let cpu_s = cpu_of_children() - before;
    ensure(output.status.success(), || String::from_utf8_lossy(&output.stdout).into_owned())?;
    let what = format!("simulation, seeds in a minute of one core ({seeds} seeds, CPU time)");
    report.add(Row::figure(&what, seeds / cpu_s * 60.0, "seeds", Target::AtLeast(1000.0)));
    Ok(())
}
