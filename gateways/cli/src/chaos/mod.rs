//! `atelier chaos`: roles of its own under load, killed, paused and restarted as a seed says; then the audit and the
//! acknowledgements tell whether anything is missing. Harms no process that it has not started itself.

mod conductor;
mod ground;
mod kept;
mod kind;

use std::process::ExitCode;
use std::time::Duration;

use crate::trials::{Step, plan};
use serde_json::json;

use crate::cli::ChaosArgs;
use crate::settings::Settings;
use crate::{Failure, audit, wiring};

use conductor::Conductor;
use ground::Ground;
use kind::Kind;

/// For the read models to show the end.
const SETTLE: Duration = Duration::from_secs(30);

/// Inflicts the faults of a seed and judges.
pub(crate) async fn run(settings: &Settings, args: &ChaosArgs) -> Result<ExitCode, Failure> {
    let steps = plan(Kind::all(&settings.log), args.seed, args.faults);
    if args.plan {
        return show(&steps, args);
    }
    let stop = crate::stop::on_signal()?;
    let ground = Ground::prepare(settings).await?;
    let say = Say { json: args.json };
    say.line(&format!("chaos: seed {}, {} faults, on {}", args.seed, args.faults, ground.describe()));
    let conductor = Conductor::start(&ground, args.seed, args.recover_within, say).await?;
    let (runtime, seed) = (tokio::runtime::Handle::current(), args.seed);
    let mut played = tokio::task::spawn_blocking(move || conductor.play(&steps, seed, &runtime, &stop)).await??;

    let store = ground.store().await?;
    let webhooks = wiring::webhooks_store_if_any(&ground.settings).await?;
    let report = audit::audit(played.log.clone(), &store, webhooks, SETTLE).await?;
    let (log, acks) = (played.log.clone(), std::mem::take(&mut played.acks));
    let acknowledged = acks.len();
    for broken in tokio::task::spawn_blocking(move || kept::broken(log.as_ref(), acks)).await?? {
        played.tally.violation("at the end", broken);
    }
    drop(store);
    let tally = tokio::task::spawn_blocking(move || played.end()).await?;
    let sound = report.balances() && tally.violations().is_empty();
    if args.json {
        let answer =
            json!({"seed": args.seed, "sound": sound, "acknowledged": acknowledged, "tally": as_json(&tally)?, "audit": as_json(&report)?});
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        println!("\n{tally}\n{acknowledged} acknowledged commands, all looked up in the log\n{report}");
        for violation in tally.violations() {
            println!("broken: {violation}");
        }
    }
    ground.leave(sound, say);
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn as_json(value: &impl serde::Serialize) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(value)
}

fn show(steps: &[Step<Kind>], args: &ChaosArgs) -> Result<ExitCode, Failure> {
    if args.json {
        println!("{}", serde_json::to_string_pretty(steps)?);
    } else {
        for Step { number, kind, after_events, .. } in steps {
            println!("{number:>5}  after {after_events:>2} events  {kind}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Progress: on standard output, or beside the one document that belongs there.
#[derive(Clone, Copy)]
struct Say {
    json: bool,
}

impl Say {
    fn line(self, text: &str) {
        if self.json {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
    }
}
