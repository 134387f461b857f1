//! Ours against bare limits, as ratios taken in one run. Prints one Markdown table.
//!
//! `cargo run --release -p atelier-benches` runs everything, `-- CASE …` some cases, `--quick` with
//! short blocks, `--pairs 7 --block-s 10` for figures to quote. Nothing else should run on the machine.
//!
//! Every case runs ours and the limit in alternating blocks (A B B A …) of one process with the same
//! driver, payload and durability, and checks after every block that nothing was lost, doubled or out
//! of order; a block that does not pass ends the run with exit code 1.

mod cases;
mod harness;
mod kafka;
mod life;

use harness::{Outcome, Report, Settings};
use std::process::ExitCode;

const HELP: &str = "bench [CASE …] [--quick] [--pairs N] [--block-s SECONDS]

Cases: flood, round-trip, embedded, accept, neighbour, restore, failover, audit, detection, timers, seeds, webhooks, size.
All of them unless named.
  --quick          1 pair of blocks of 1 s: does it work?
  --pairs N        pairs of blocks per case (3)
  --block-s S      length of a block (4)
Figures to quote take `--pairs 7 --block-s 10`.";

/// Records are made on one thread and dropped on another, many and small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (settings, names) = match parse(std::env::args().skip(1)) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("bench: {wrong}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let mut report = Report::new(&settings);
    let mut sound = true;
    for (name, case) in cases::ALL {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        eprintln!("{name} …");
        if let Err(error) = case(&settings, &mut report) {
            eprintln!("{name}: {error}");
            sound = false;
        }
    }
    println!("{report}");
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut args: impl Iterator<Item = String>) -> Outcome<Option<(Settings, Vec<String>)>> {
    let mut settings = Settings { pairs: 3, block_s: 4.0, restored_events: 1_000_000 };
    let mut names = Vec::new();
    while let Some(arg) = args.next() {
        let mut number = || -> Outcome<f64> {
            let text = args.next().ok_or_else(|| format!("{arg} needs a number"))?;
            let number: f64 = text.parse().map_err(|_| format!("{arg}: {text:?} is not a number"))?;
            if number > 0.0 { Ok(number) } else { Err(format!("{arg} must be greater than zero").into()) }
        };
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--quick" => settings = Settings { pairs: 1, block_s: 1.0, restored_events: 100_000 },
            "--pairs" => settings.pairs = number()? as usize,
            "--block-s" => settings.block_s = number()?,
            name if cases::ALL.iter().any(|(known, _)| *known == name) => names.push(arg),
            _ => return Err(format!("{arg:?} is neither a case nor a flag").into()),
        }
    }
    settings.pairs = settings.pairs.max(1);
    Ok(Some((settings, names)))
}
