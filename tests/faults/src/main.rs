//! `faults`: an unattended run of faults on real processes and real servers.

use std::process::ExitCode;
use std::time::Duration;

use atelier_faults::{Kind, Options, ends_everything, run};

const HELP: &str = "faults [--seed N] [--faults N] [--kind KIND …] [--checkpoint-every N]
       [--recover-within-s N] [--table FILE] [--state FILE] [--plan]

Starts three Kafka nodes behind proxies, PostgreSQL and two of every role, keeps a load running, inflicts the faults
of a seed and holds what was written against the invariants. Needs what tests/support/install installs.

  --seed N                what to draw faults and load from (1)
  --faults N              how many (200)
  --kind KIND             only of this kind; may be given several times
  --checkpoint-every N    faults until everything has to add up (8)
  --recover-within-s N    everything moves again within so many seconds, or it counts as broken (120)
  --table FILE            write the table there, as Markdown, after each checkpoint
  --state FILE            keep there how far the run is; called again with it, it goes on after its last checkpoint
  --plan                  print what would be done, and do nothing
  --help                  this

Exit code 0: every invariant held. 1: one did not. 2: the command line is wrong, or it could not go on. 130: it was told to
end (SIGINT, SIGTERM), and ended with everything it had started.

Examples:
  cargo run --release -p atelier-faults -- --seed 7 --faults 200 --table faults.md --state faults.json
  cargo run --release -p atelier-faults -- --kind end-txn-late --faults 5";

fn main() -> ExitCode {
    let (options, only_plan) = match parse(std::env::args().skip(1)) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("faults: {wrong}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if only_plan {
        for step in options.plan() {
            println!("{:>4}  after {:>2} events  {}", step.number, step.after_events, step.kind);
        }
        return ExitCode::SUCCESS;
    }
    if let Err(error) = ends_everything() {
        eprintln!("faults: {error}");
        return ExitCode::from(2);
    }
    match run(&options) {
        Ok(tally) => {
            println!("\n{}", tally.markdown());
            for violation in tally.violations() {
                println!("broken: {violation}");
            }
            if tally.violations().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<(Options, bool)>, String> {
    let mut options = Options {
        seed: 1,
        faults: 200,
        kinds: Vec::new(),
        checkpoint_every: 8,
        recover_within: Duration::from_secs(120),
        table: None,
        state: None,
    };
    let mut only_plan = false;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{arg}: {text:?} is not a number"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--plan" => only_plan = true,
            "--seed" => options.seed = number(value()?)?,
            "--faults" => options.faults = u32::try_from(number(value()?)?).map_err(|_| "--faults: too many".to_owned())?,
            "--checkpoint-every" => options.checkpoint_every = usize::try_from(number(value()?)?).unwrap_or(usize::MAX),
            "--recover-within-s" => options.recover_within = Duration::from_secs(number(value()?)?),
            "--table" => options.table = Some(value()?.into()),
            "--state" => options.state = Some(value()?.into()),
            "--kind" => options.kinds.push(value()?.parse()?),
            _ => return Err(format!("{arg:?} is no flag of faults")),
        }
    }
    if options.kinds.is_empty() {
        options.kinds = Kind::ALL.to_vec();
    }
    Ok(Some((options, only_plan)))
}
