//! How many crates the binary takes. How long they take is measured by `benches/first-build`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::harness::{Outcome, Report, Row, Settings, Target, ensure};

pub(super) fn run(_: &Settings, report: &mut Report) -> Outcome<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "-p", "atelier-cli", "-e", "normal,build", "--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()?;
    ensure(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())?;
    let text = String::from_utf8(output.stdout)?;
    let crates: BTreeSet<&str> = text.lines().filter_map(|line| line.split(" (").next()).filter(|line| !line.is_empty()).collect();
    let ours = crates.iter().filter(|name| name.starts_with("atelier-")).count();
    report.add(Row::figure(&format!("crates of the binary, {ours} of them ours"), crates.len() as f64, "crates", Target::None));
    Ok(())
}
