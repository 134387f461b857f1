//! `atelier demo`: a day at the maker's in a minute. Customers, a partner, sellers, operators and a
//! carrier are simulated; log, decisions, pricing, read models and HTTP are the real thing.

mod api;
mod bench;
mod buyers;
mod cast;
mod desk;
mod models;
pub(crate) mod processes;
mod progress;
mod sales;
mod summary;

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use atelier_http::Secret;
use atelier_log::Log;
use atelier_partners::{Accounts, Class, Mode};
use atelier_projections::Store;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::cli::{DemoArgs, UpArgs};
use crate::roles::House;
use crate::settings::{LogChoice, Settings, StoreChoice};
use crate::wiring::{self, Access};
use crate::{Failure, audit};

use cast::{Cast, Made, Partner};

/// Without a single order moving for so long the demo gives up waiting; the audit then says what is open.
const PATIENCE: Duration = Duration::from_secs(90);
/// For the read models to show the end.
const SETTLE: Duration = Duration::from_secs(20);

/// What the demo works on.
enum Stage {
    /// All roles in this process.
    House(Box<House>),
    /// Roles in processes of their own.
    Processes(processes::Processes),
    /// Somebody else's.
    Elsewhere,
}

/// Plays the day and audits it.
pub(crate) async fn run(settings: &Settings, args: &DemoArgs) -> Result<ExitCode, Failure> {
    let stop = crate::stop::on_signal()?;
    let (mut settings, _temporary) = with_folder(settings)?;
    may_call_itself(&mut settings);
    let models = models::gather(args.models.as_deref(), args.seed)?;
    let secret = secret();
    if args.separate && (settings.log == LogChoice::Embedded || settings.store == StoreChoice::Sqlite) {
        return Err("--separate needs a log and a store that processes can share: --log kafka://… and --store postgres://…".into());
    }
    let (stage, url) = if let Some(url) = &args.url {
        (Stage::Elsewhere, url.trim_end_matches('/').to_owned())
    } else if args.separate {
        let processes = processes::Processes::start(&settings, args.listen, &secret).await?;
        let url = processes.url.clone();
        (Stage::Processes(processes), url)
    } else {
        let up = UpArgs { listen: args.listen, capacity: 2, without: Vec::new() };
        let house = House::start(&settings, &up, Some(Secret::parse(&secret)?), stop.child_token()).await?;
        let url = house.url.clone();
        (Stage::House(Box::new(house)), url)
    };
    let (log, store) = match &stage {
        Stage::House(house) => (house.log.clone(), house.store.clone()),
        Stage::Processes(_) | Stage::Elsewhere => {
            // The embedded log belongs to the process that serves; beside it one can only look.
            let access = if settings.log == LogChoice::Embedded { Access::ReadOnly } else { Access::Full };
            (wiring::log(&settings, access).await?, wiring::store(&settings).await?)
        }
    };
    println!("Atelier demo: {} orders from {} at {url}", args.orders, models.describe());
    println!("data in {}\n", settings.data.display());
    let carrier_secret = std::env::var("ATELIER_CARRIER_SECRET").ok().filter(|_| args.url.is_some()).unwrap_or(secret);
    let accounts = wiring::accounts(&settings).await?;
    let (partner, key_id) = partner(&accounts).await?;
    let partner_name = partner.name.clone();
    let acks = args.acks.as_ref().map(std::fs::File::create).transpose()?;
    let policy = crate::policy::policy(&settings)?;
    let made = Made { materials: policy.materials, finishes: policy.finishes };
    let cast = Cast {
        url: url.clone(),
        partner,
        models,
        made,
        carrier_secret,
        acks,
        orders: args.orders,
        customers: args.customers,
        seed: args.seed,
        pace: Duration::from_millis(args.pace_ms),
        last_orders: if args.trial { on_end_of_input()? } else { CancellationToken::new() },
    };
    let played = if args.trial { load(cast, &stop).await } else { play(cast, log, &store, &settings, &stop).await };
    // Nobody can use the key any more, however the day went.
    accounts.revoke_key(&partner_name, &key_id, None, (wiring::clock())()).await?;
    let code = played?;
    if args.trial {
        return Ok(code);
    }
    if args.keep_running && !stop.is_cancelled() {
        println!("\nserving on at {url} until Ctrl-C");
        stop.cancelled().await;
    }
    drop(store);
    match stage {
        Stage::House(house) => house.end().await?,
        Stage::Processes(processes) => processes.end().await?,
        Stage::Elsewhere => {}
    }
    Ok(code)
}

async fn play(cast: Cast, log: Arc<dyn Log>, store: &Store, settings: &Settings, stop: &CancellationToken) -> Result<ExitCode, Failure> {
    let url = cast.url.clone();
    let played = cast.play(PATIENCE, stop).await?;
    println!("\n{}", summary::table(&played));
    if let Some(order) = played.example {
        println!(
            "look at one of them:\n  {url}/shop/v1/orders/{order}\n  {url}/shop/v1/orders/{order}/timeline\n  {url}/shop/v1/orders/{order}/preview.png"
        );
        println!("the API: {url}/openapi.json, metrics: {url}/metrics\n");
    }
    for trouble in &played.troubles {
        println!("trouble: {trouble}");
    }
    let webhooks = wiring::webhooks_store_if_any(settings).await?;
    let report = audit::audit(log, store, webhooks, SETTLE).await?;
    print!("{report}");
    let finished = played.finished();
    if !finished {
        println!("\nnot all orders came to an end: {} of {}", played.ended(), played.orders());
    }
    let sound = report.balances() && finished && played.troubles.is_empty();
    if let Some(desk) = played.desk {
        desk.close().await?;
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Plays as the load of somebody's trial, who looks after what came of it.
async fn load(cast: Cast, stop: &CancellationToken) -> Result<ExitCode, Failure> {
    let played = cast.play(PATIENCE, stop).await?;
    for trouble in &played.troubles {
        println!("trouble: {trouble}");
    }
    if !played.finished() {
        println!("not all orders came to an end: {} of {}", played.ended(), played.orders());
    }
    Ok(if played.finished() && played.troubles.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// A token that is cancelled when standard input ends. On a thread of its own, which the end of the program does not wait for.
fn on_end_of_input() -> Result<CancellationToken, Failure> {
    let token = CancellationToken::new();
    let ended = token.clone();
    std::thread::Builder::new().name("input".into()).spawn(move || {
        // Unreadable is ended too.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        ended.cancel();
    })?;
    Ok(token)
}

/// Lets webhooks go to this machine, where the partner of the demo listens.
pub(crate) fn may_call_itself(settings: &mut Settings) {
    settings.webhook_allow.push(IpAddr::from(Ipv4Addr::LOCALHOST).into());
}

/// The settings with a folder of their own, unless one was given. The folder goes with the value.
fn with_folder(settings: &Settings) -> Result<(Settings, Option<tempfile::TempDir>), Failure> {
    if settings.data_given {
        return Ok((settings.clone(), None));
    }
    let folder = tempfile::Builder::new().prefix("atelier-demo-").tempdir()?;
    Ok((Settings { data: folder.path().to_owned(), ..settings.clone() }, Some(folder)))
}

/// A partner that is new with this run, and the id of its key.
async fn partner(accounts: &Accounts) -> Result<(Partner, String), Failure> {
    let name = format!("demo-{}", &Uuid::new_v4().simple().to_string()[..12]);
    let made = accounts.create_key(&name, Mode::Live, Some(Class::Large), &wiring::random_bytes()?, (wiring::clock())()).await?;
    Ok((Partner { name, key: made.key.reveal() }, made.key.id().to_owned()))
}

/// A carrier's secret for this run.
fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[test]
    fn a_folder_that_was_given_is_used_and_kept() {
        let settings = crate::cli::Cli::try_parse_from(["atelier", "demo"]).unwrap().settings;
        assert!(with_folder(&settings).unwrap().1.is_some());
        let (used, temporary) = with_folder(&Settings { data: "./data".into(), data_given: true, ..settings }).unwrap();
        assert!(used.data == Path::new("./data") && temporary.is_none());
    }
}
