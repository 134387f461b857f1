//! The command line: names, help, examples.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use atelier_http::Surface;
use atelier_partners::Class;
use atelier_projections::Cause;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::config_file;
use crate::settings::Settings;
use crate::telemetry::Voice;

/// Event-sourced order lifecycle engine for makers of made-to-order jewellery.
#[derive(Parser, Debug)]
#[command(name = "atelier", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = "Every flag has an environment variable ATELIER_<FLAG> and a key in atelier.toml; \
the flag wins over the variable, the variable over the file.\n\n\
Examples:\n  atelier demo                       see it work, in a temporary folder\n  atelier up                         everything in one process, data in ./data\n  \
atelier up --log kafka://k1:9092 --store postgres://atelier@db/atelier\n  atelier order 6f1c…                what happened to an order\n  atelier audit --json               is anything missing?\n  atelier gaps                       what does not move?\n\n\
Exit codes: 0 done, 1 the audit does not balance or there are gaps, 2 could not do it.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Every role in one process; prints its URL when ready
    #[command(
        after_help = "Examples:\n  atelier up\n  atelier up --without pricing\n  atelier up --data /var/lib/atelier --listen 127.0.0.1:9000"
    )]
    Up(UpArgs),
    /// A day at the maker's: simulated customers, a partner, sellers, operators and a carrier; ends with the audit
    #[command(after_help = "Examples:\n  atelier demo\n  atelier demo --models ~/models --orders 40\n  atelier demo --keep-running\n  \
atelier demo --log kafka://127.0.0.1:9092 --store postgres://… --separate")]
    Demo(DemoArgs),
    /// Kills, pauses and restarts roles of its own under load, then proves that nothing is missing
    ///
    /// It starts every process that it harms, and harms no other. On Kafka it works under a topic prefix of its
    /// own, which stays there afterwards, and wants an empty database; broker and database are left alone.
    #[command(
        after_help = "Exit codes: 0 everything came back and nothing is missing, 1 a rule was broken (it is named), 2 could not do it.\n\nExamples:\n  \
atelier chaos                                  20 faults on the embedded log, in a temporary folder\n  atelier chaos --seed 7 --faults 100\n  \
atelier chaos --seed 7 --plan                  what seed 7 would do\n  \
atelier chaos --log kafka://127.0.0.1:9092 --store postgres://atelier@127.0.0.1/empty"
    )]
    Chaos(ChaosArgs),
    /// Decides: owns a share of the command partitions
    #[command(after_help = "Example:\n  atelier engine --log kafka://k1:9092 --instance engine-a")]
    Engine(RoleArgs),
    /// Feeds the read models
    #[command(after_help = "Example:\n  atelier projections --log kafka://k1:9092 --store postgres://atelier@db/atelier")]
    Projections(RoleArgs),
    /// Measures models and prices them
    #[command(after_help = "Example:\n  atelier pricing --log kafka://k1:9092 --blobs file --data /mnt/shared --capacity 4")]
    Pricing(PricingArgs),
    /// Sends partners' webhooks
    #[command(after_help = "Any number of processes share the work; those that share a store need clocks within a second.\n\nExample:\n  \
atelier webhooks --log kafka://k1:9092 --store postgres://atelier@db/atelier --public-url https://api.example.org")]
    Webhooks(RoleArgs),
    /// Serves HTTP
    #[command(
        after_help = "Examples:\n  atelier gateway shop partner mes crm carrier events\n  atelier gateway shop --listen 0.0.0.0:8080"
    )]
    Gateway(GatewayArgs),
    /// Is anything missing? Reconciles commands, outcomes, events, pricing jobs and read models
    #[command(
        after_help = "Exit codes: 0 it balances, 1 it does not (the ids are named), 2 could not tell.\n\nExamples:\n  atelier audit\n  \
atelier audit --json --log kafka://k1:9092 --store postgres://atelier@db/atelier\n  \
atelier audit --state /var/lib/atelier/audit            goes on where it ended the last time\n  \
atelier audit --verify /var/lib/atelier/audit           was anything altered or removed since?\n  \
atelier audit --state /var/lib/atelier/audit --every 5m --listen 127.0.0.1:9100"
    )]
    Audit(AuditArgs),
    /// What does not move in time or got lost: which order, since when, who has it, what may be done
    #[command(
        after_help = "Exit codes: 0 no gap is open (of those asked for; always with --closed), 1 there are open gaps, 2 could not tell.\n\n\
Examples:\n  atelier gaps\n  atelier gaps --cause no_operator\n  atelier gaps --all --order 6f1cf0b6-… --json"
    )]
    Gaps(GapsArgs),
    /// Keys of partners: make, list, revoke
    #[command(after_help = "Examples:\n  atelier key create --partner acme\n  atelier key create --partner acme --class large --json\n  \
atelier key list --partner acme\n  atelier key revoke --partner acme k7b2mq4xw3ah")]
    Key(KeyArgs),
    /// What happened to an order, from the log itself
    #[command(after_help = "Examples:\n  atelier order 6f1cf0b6-…\n  atelier order 6f1cf0b6-… --at 2026-11-20T12:00:00Z --json")]
    Order(OrderArgs),
    /// The events of the past, and of now with --follow
    #[command(
        after_help = "Examples:\n  atelier replay --format jsonl --out events.jsonl\n  atelier replay --type OrderShipped --from 2026-11-01T00:00:00Z\n  \
atelier replay --order 6f1cf0b6-… --follow"
    )]
    Replay(ReplayArgs),
    /// Looks at an order and does what its state allows; a dry run unless --apply is given
    #[command(
        after_help = "Exit codes: 0 done or possible, 1 refused (with the reason and what is allowed), 2 could not ask.\n\nExamples:\n  \
atelier repair 6f1cf0b6-…\n  atelier repair 6f1cf0b6-… release --reason \"operator is ill\"\n  \
atelier repair 6f1cf0b6-… reprice --reason \"worker was out of memory\" --apply --staff vera"
    )]
    Repair(RepairArgs),
    /// Records nobody can read: events that set their order aside, commands that were refused for it
    #[command(
        after_help = "An event is skipped by `atelier repair ORDER skip-records --offsets N --reason TEXT`; a command is decided after all\n\
by --replay, once, however often it is replayed.\n\n\
Exit codes: 0 nothing is left to do, 1 something is (or the replay was refused), 2 could not tell.\n\nExamples:\n  \
atelier parked\n  atelier parked 6f1cf0b6-… --json\n  \
atelier parked --replay 0/4711 --reason \"sent by the new shop before the engines were new\" --apply"
    )]
    Parked(ParkedArgs),
    /// Prints the completion script of a shell
    #[command(after_help = "Example:\n  atelier completions bash > /etc/bash_completion.d/atelier")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// How much it says beside its answer.
    pub(crate) fn voice(&self) -> Voice {
        match self {
            Command::Audit(args) if args.every.is_some() => Voice::Role,
            Command::Up(_)
            | Command::Engine(_)
            | Command::Projections(_)
            | Command::Pricing(_)
            | Command::Webhooks(_)
            | Command::Gateway(_) => Voice::Role,
            Command::Demo(_)
            | Command::Chaos(_)
            | Command::Audit(_)
            | Command::Gaps(_)
            | Command::Key(_)
            | Command::Order(_)
            | Command::Replay(_)
            | Command::Repair(_)
            | Command::Parked(_)
            | Command::Completions { .. } => Voice::Tool,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    /// Address to serve on
    #[arg(long, env = "ATELIER_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Pricing jobs measured at a time
    #[arg(long, env = "ATELIER_CAPACITY", default_value_t = 2, value_name = "JOBS")]
    pub(crate) capacity: usize,
    /// Leave this role out; what waits for it stays in the log
    #[arg(long, value_enum, value_name = "ROLE")]
    pub(crate) without: Vec<LeftOut>,
}

/// A role the others can do without for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LeftOut {
    /// Measuring and pricing
    Pricing,
    /// Sending partners' webhooks
    Webhooks,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Address to serve on; a free port unless given
    #[arg(long, env = "ATELIER_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Orders to place
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "N")]
    pub(crate) orders: u32,
    /// Customers at a time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256), value_name = "N")]
    pub(crate) customers: u32,
    /// Folder with model files (.stl; .obj and .3mf get a manual quote) instead of generated rings
    #[arg(long, value_name = "DIR")]
    pub(crate) models: Option<PathBuf>,
    /// Who does what is drawn from this number
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Serve on after the audit, until Ctrl-C
    #[arg(long)]
    pub(crate) keep_running: bool,
    /// Each role in a process of its own (needs --log kafka://… and --store postgres://…)
    #[arg(long)]
    pub(crate) separate: bool,
    /// Drive a gateway that is running already instead of starting one
    ///
    /// The flags --log, --store and --data must be those of the running roles.
    #[arg(long, value_name = "URL", conflicts_with_all = ["separate", "keep_running"])]
    pub(crate) url: Option<String>,
    /// Write every acknowledged command to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) acks: Option<PathBuf>,
    /// The load of a trial: place orders until standard input ends, play them to their end; the audit is the trial's
    #[arg(long, hide = true, requires = "url")]
    pub(crate) trial: bool,
    /// Between two orders (for trials)
    #[arg(long, default_value_t = 0, value_name = "MS", hide = true)]
    pub(crate) pace_ms: u64,
}

#[derive(Args, Debug)]
pub(crate) struct ChaosArgs {
    /// Faults and load are drawn from this number
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Faults to inflict
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    pub(crate) faults: u32,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Machine-readable; progress goes to standard error
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RoleArgs {
    /// Address for /healthz, /readyz and /metrics; not served unless given
    #[arg(long, env = "ATELIER_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Args, Debug)]
pub(crate) struct PricingArgs {
    #[command(flatten)]
    pub(crate) role: RoleArgs,
    /// Jobs measured at a time
    #[arg(long, env = "ATELIER_CAPACITY", default_value_t = 2, value_name = "JOBS")]
    pub(crate) capacity: usize,
    /// Name of this worker, unique among all; made up unless given
    #[arg(long, env = "ATELIER_WORKER", value_name = "NAME")]
    pub(crate) worker: Option<String>,
    /// Pretend every measurement takes so much longer (for trials)
    #[arg(long, default_value_t = 0, value_name = "MS", hide = true)]
    pub(crate) slowdown_ms: u64,
}

#[derive(Args, Debug)]
pub(crate) struct GatewayArgs {
    /// Address to serve on
    #[arg(long, env = "ATELIER_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// What to serve; everything unless given
    #[arg(value_parser = surface(), value_name = "SURFACE")]
    pub(crate) surfaces: Vec<Surface>,
}

fn surface() -> impl TypedValueParser<Value = Surface> {
    PossibleValuesParser::new(Surface::ALL.map(Surface::as_str))
        .map(|name| Surface::ALL.into_iter().find(|surface| surface.as_str() == name).expect("one of the possible values"))
}

#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    /// Machine-readable
    #[arg(long)]
    pub(crate) json: bool,
    /// Seconds to wait for the read models to catch up with the log
    #[arg(long, default_value_t = 10, value_name = "S")]
    pub(crate) settle_s: u64,
    /// Keep what was audited in this folder; the next run with it goes on from there
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Audit nothing new: only look whether the events that this state has seen are still what they were
    #[arg(long, value_name = "STATE", conflicts_with_all = ["state", "every", "log_only"])]
    pub(crate) verify: Option<PathBuf>,
    /// Leave the read models out; their store is not opened
    #[arg(long)]
    pub(crate) log_only: bool,
    /// Audit again and again with this pause (30s, 5m, 1h), until told to stop
    #[arg(long, value_name = "PAUSE", value_parser = pause)]
    pub(crate) every: Option<Duration>,
    /// With --every: address for /healthz, /readyz and /metrics; not served unless given
    #[arg(long, env = "ATELIER_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
}

/// `30s`, `5m`, `1h`.
fn pause(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as 30s, 5m or 1h".to_owned();
    let (number, unit_s) = match text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)? {
        (number, "s") => (number, 1),
        (number, "m") => (number, 60),
        (number, "h") => (number, 3600),
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    Ok(Duration::from_secs(u64::from(seconds) * unit_s))
}

#[derive(Args, Debug)]
pub(crate) struct GapsArgs {
    /// Those still open; so unless told otherwise
    #[arg(long, group = "state")]
    pub(crate) open: bool,
    /// Those that were closed
    #[arg(long, group = "state")]
    pub(crate) closed: bool,
    /// Both
    #[arg(long, group = "state")]
    pub(crate) all: bool,
    /// Of this cause only
    #[arg(long, value_name = "CAUSE", value_parser = cause())]
    pub(crate) cause: Option<Cause>,
    /// Of this order only
    #[arg(long, value_name = "ID")]
    pub(crate) order: Option<Uuid>,
    /// Machine-readable
    #[arg(long)]
    pub(crate) json: bool,
    /// Gaps listed at most, the oldest ones
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "N")]
    pub(crate) limit: u32,
}

fn cause() -> impl TypedValueParser<Value = Cause> {
    PossibleValuesParser::new(Cause::ALL.map(Cause::as_str)).map(|name| name.parse().expect("one of the possible values"))
}

#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) action: KeyAction,
}

#[derive(Subcommand, Debug)]
pub(crate) enum KeyAction {
    /// Makes a key, and the partner when there is none of that name; shows the key this once
    Create {
        /// The partner: 1 to 40 lower-case letters, digits and `-`
        #[arg(long, value_name = "NAME")]
        partner: String,
        /// How much the partner is given [default: standard, or as it was]
        #[arg(long, value_name = "CLASS", value_parser = class())]
        class: Option<Class>,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// Lists keys, live and revoked, the newest first
    List {
        /// Of this partner only
        #[arg(long, value_name = "NAME")]
        partner: Option<String>,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// Revokes a key: from now on it opens nothing
    Revoke {
        /// Whose
        #[arg(long, value_name = "NAME")]
        partner: String,
        /// Its public id, as `list` shows it
        #[arg(value_name = "KEY")]
        key_id: String,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
}

impl KeyAction {
    pub(crate) fn json(&self) -> bool {
        match self {
            KeyAction::Create { json, .. } | KeyAction::List { json, .. } | KeyAction::Revoke { json, .. } => *json,
        }
    }
}

fn class() -> impl TypedValueParser<Value = Class> {
    PossibleValuesParser::new(Class::ALL.map(Class::as_str)).map(|name| name.parse().expect("one of the possible values"))
}

#[derive(Args, Debug)]
pub(crate) struct OrderArgs {
    /// The order
    pub(crate) id: Uuid,
    /// As of then (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = crate::publish::parse_time)]
    pub(crate) at: Option<i64>,
    /// Machine-readable
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// Not before (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = crate::publish::parse_time)]
    pub(crate) from: Option<i64>,
    /// Before (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = crate::publish::parse_time)]
    pub(crate) to: Option<i64>,
    /// Of this order only
    #[arg(long, value_name = "ID")]
    pub(crate) order: Option<Uuid>,
    /// Of this type only, for example OrderShipped
    #[arg(long = "type", value_name = "TYPE", value_parser = crate::publish::parse_type)]
    pub(crate) type_name: Option<String>,
    /// How to write them
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    pub(crate) format: Format,
    /// File to write to; standard output unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with what happens from now on, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ParkedArgs {
    /// Of this order only
    pub(crate) order: Option<Uuid>,
    /// Decide this command after all
    #[arg(long, value_name = "PARTITION/OFFSET", value_parser = place, requires = "reason", conflicts_with = "order")]
    pub(crate) replay: Option<(u32, u64)>,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Do it instead of saying what would happen
    #[arg(long, requires = "replay")]
    pub(crate) apply: bool,
    /// Who asks
    #[arg(long, env = "ATELIER_STAFF", default_value = "on-call", value_name = "NAME")]
    pub(crate) staff: String,
    /// The gateway, for --replay
    #[arg(long, env = "ATELIER_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub(crate) url: String,
    /// Machine-readable
    #[arg(long)]
    pub(crate) json: bool,
}

fn place(text: &str) -> Result<(u32, u64), String> {
    let parts = text.split_once('/').and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)));
    parts.ok_or_else(|| "write it as PARTITION/OFFSET, for example 0/4711".into())
}

#[derive(Args, Debug)]
pub(crate) struct RepairArgs {
    /// The order
    pub(crate) order: Uuid,
    /// What to do; the order is only shown unless given
    #[arg(value_enum, requires = "reason")]
    pub(crate) action: Option<RepairAction>,
    /// Why, in a sentence; it is recorded
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// For skip-records: the records of its events that do not count, by their offsets
    #[arg(long, value_name = "N,…", value_delimiter = ',', required_if_eq("action", "skip-records"))]
    pub(crate) offsets: Vec<u64>,
    /// Do it instead of saying what would happen
    #[arg(long, requires = "action")]
    pub(crate) apply: bool,
    /// Who asks; it is recorded
    #[arg(long, env = "ATELIER_STAFF", default_value = "on-call", value_name = "NAME")]
    pub(crate) staff: String,
    /// The gateway
    #[arg(long, env = "ATELIER_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub(crate) url: String,
    /// Machine-readable: the gateway's answer
    #[arg(long)]
    pub(crate) json: bool,
}

/// What may be done to an order by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RepairAction {
    /// It may be made
    Approve,
    /// It is not made
    Reject,
    /// Send it to pricing again
    Reprice,
    /// Stop its clocks
    Hold,
    /// Let them go on
    Resume,
    /// Give the piece back to the queue
    Release,
    /// End it
    Cancel,
    /// It was delivered
    Close,
    /// Let it go on without records nobody can read
    SkipRecords,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line
    Jsonl,
}

/// Parses the command line, the environment and `atelier.toml`; says what is wrong and gives the exit code.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    let file = match config_file::find(std::env::args_os()) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("atelier: {error}");
            return Err(ExitCode::from(2));
        }
    };
    let command = match file.apply(Cli::command()) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("atelier: {error}");
            return Err(ExitCode::from(2));
        }
    };
    let parsed = command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| {
        let wrong = error.use_stderr();
        let _ = error.print();
        if wrong && let Some(hint) = file.hint(&error) {
            eprintln!("\n{hint}");
        }
        ExitCode::from(if wrong { 2 } else { 0 })
    })
}

/// Writes the completion script of `shell` to standard output.
pub(crate) fn completions(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "atelier", &mut std::io::stdout());
}
