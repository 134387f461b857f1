//! `simulate`: runs seeds, and shows what one of them does; or visits every state there is, at small scope.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use atelier_simulation::explore::{Explored, Found, handover, lease};
use atelier_simulation::{Bed, Plan, run, shrink};

const HELP: &str = "simulate --seed N | --seeds A..B | --explore

Runs the spine of Atelier in one thread under faults drawn from a seed, with a clock moved by hand, and
checks its invariants after every step. The same seed gives the same trace, byte for byte.

  --seed N        one seed: its trace, the trace's SHA-256 and the verdict
  --seeds A..B    many (B is not run): progress and rate; at the first failure the seed, the invariant
                  and a plan made small that still fails
  --explore       every state of the pricing lease and of the hand-over of a partition at small scope:
                  how many there are, or the first that breaks an invariant and a shortest way to it
  --no-shrink     leave a failing plan as it is
  --help          this

Exit code 0: every invariant held. 1: one did not. 2: the command line is wrong.

Examples:
  cargo run --release -p atelier-simulation -- --seeds 0..10000
  cargo run --release -p atelier-simulation -- --seed 4711 | less";

enum Wanted {
    Seed(u64),
    Seeds(Range<u64>),
    Everything,
}

fn main() -> ExitCode {
    let (wanted, shrinks) = match parse(std::env::args().skip(1)) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("simulate: {wrong}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let bed = match Bed::open() {
        Ok(bed) => bed,
        Err(error) => {
            eprintln!("simulate: no place for the read models: {error}; check that the temporary folder can be written");
            return ExitCode::from(2);
        }
    };
    match wanted {
        Wanted::Seed(seed) => one(&bed, seed, shrinks),
        Wanted::Seeds(seeds) => many(&bed, seeds, shrinks),
        Wanted::Everything => everything(),
    }
}

fn everything() -> ExitCode {
    let scratch = match tempfile::tempdir() {
        Ok(scratch) => scratch,
        Err(error) => {
            eprintln!("simulate: no place for scratch files: {error}; check that the temporary folder can be written");
            return ExitCode::from(2);
        }
    };
    let told = [
        tell_explored("the lease of pricing", lease::explore),
        tell_explored("the hand-over between two engines", || handover::explore(["a", "b"], scratch.path())),
        tell_explored("the hand-over to a second engine of the same name", || handover::explore(["a", "a"], scratch.path())),
    ];
    if told.into_iter().all(|held| held) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell_explored(what: &str, explore: impl FnOnce() -> Result<Explored, Box<Found>>) -> bool {
    let started = Instant::now();
    match explore() {
        Ok(Explored { states, steps, done, depth }) => {
            let took_s = started.elapsed().as_secs_f64();
            println!("{what}: {states} states, {steps} steps between them, {done} ends, depth {depth}; {took_s:.1} s");
            true
        }
        Err(found) => {
            println!("{what} BROKEN {found}");
            false
        }
    }
}

fn one(bed: &Bed, seed: u64, shrinks: bool) -> ExitCode {
    let plan = Plan::of(seed);
    let run = run(bed, &plan);
    print!("{}", run.trace);
    println!("sha256 {}", run.sha256);
    if run.failure.is_none() {
        return ExitCode::SUCCESS;
    }
    if shrinks {
        tell_small(bed, &plan);
    }
    ExitCode::FAILURE
}

fn many(bed: &Bed, seeds: Range<u64>, shrinks: bool) -> ExitCode {
    let started = Instant::now();
    let total = seeds.end.saturating_sub(seeds.start);
    // On a terminal the line is written over; elsewhere a line now and then is enough.
    let every = if std::io::stderr().is_terminal() { 100 } else { 1_000 };
    for (done, seed) in (1_u64..).zip(seeds) {
        let plan = Plan::of(seed);
        let run = run(bed, &plan);
        if let Some(failure) = &run.failure {
            eprintln!();
            println!("seed {seed} BROKEN {failure}");
            if shrinks {
                tell_small(bed, &plan);
            }
            return ExitCode::FAILURE;
        }
        if done % every == 0 || done == total {
            progress(done, total, started);
        }
    }
    println!("{total} seeds: every invariant held");
    ExitCode::SUCCESS
}

fn progress(done: u64, total: u64, started: Instant) {
    let rate = done as f64 * 60.0 / started.elapsed().as_secs_f64().max(0.001);
    let end = if std::io::stderr().is_terminal() && done < total { "\r" } else { "\n" };
    eprint!("{done}/{total} seeds, {rate:.0} a minute{end}");
    // Progress that cannot be shown is no reason to stop.
    let _ = std::io::stderr().flush();
}

fn tell_small(bed: &Bed, plan: &Plan) {
    let (small, run) = shrink(bed, plan);
    println!("\n{} of {} steps still fail:\n", small.steps.len(), plan.steps.len());
    for step in &small.steps {
        println!("  {step}");
    }
    println!("\n{}", run.trace);
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<(Wanted, bool)>, String> {
    let (mut wanted, mut shrinks) = (None, true);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--no-shrink" => shrinks = false,
            "--explore" => wanted = Some(Wanted::Everything),
            "--seed" => wanted = Some(Wanted::Seed(number(&value()?)?)),
            "--seeds" => wanted = Some(Wanted::Seeds(range(&value()?)?)),
            _ => return Err(format!("{arg:?} is no flag of simulate")),
        }
    }
    Ok(Some((wanted.ok_or("give --seed N, --seeds A..B or --explore")?, shrinks)))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| format!("{text:?} is not A..B"))?;
    let (from, to) = (number(from)?, number(to)?);
    if from < to { Ok(from..to) } else { Err(format!("{text}: no seed is in there")) }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a seed"))
}
