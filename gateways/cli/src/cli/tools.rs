//! What the tools take.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use atelier_partners::Class;
use atelier_projections::{BEHIND_AFTER, Cause};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    /// Machine-readable
    #[arg(long)]
    pub(crate) json: bool,
    /// Seconds to wait for the read models, and again for webhooks, to catch up with the log
    #[arg(long, default_value_t = 10, value_name = "S")]
    pub(crate) settle_s: u64,
    /// Keep what was audited in this folder; the next run with it goes on from there
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Audit nothing new: only look whether the events that this state has seen are still what they were
    #[arg(long, value_name = "STATE", conflicts_with_all = ["state", "every", "log_only"])]
    pub(crate) verify: Option<PathBuf>,
    /// Leave the read models and webhooks out; their stores are not opened
    #[arg(long)]
    pub(crate) log_only: bool,
    /// Audit again and again with this pause (30s, 5m, 1h), until told to stop
    #[arg(long, value_name = "PAUSE", value_parser = duration)]
    pub(crate) every: Option<Duration>,
    /// With --every: address for /healthz, /readyz and /metrics; not served unless given
    #[arg(long, env = "ATELIER_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
}

/// `30s`, `5m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
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
    /// Seconds a read model may lack a record; an engine may be silent about a deadline for twice as long
    #[arg(long, default_value_t = BEHIND_AFTER.as_secs() as u32, value_parser = clap::value_parser!(u32).range(1..=86_400), value_name = "S")]
    pub(crate) grace_s: u32,
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
        /// A key of the partner's sandbox: its orders are priced and never made
        #[arg(long)]
        sandbox: bool,
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
pub(crate) struct EndpointArgs {
    #[command(subcommand)]
    pub(crate) action: EndpointAction,
}

#[derive(Subcommand, Debug)]
pub(crate) enum EndpointAction {
    /// Enables an endpoint: what has waited is sent, from the first on
    Enable {
        /// As `atelier gaps` names it
        endpoint: Uuid,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// Sends again what was given up, and what is pending now instead of later
    Resend {
        /// As `atelier gaps` names it
        endpoint: Uuid,
        /// All of events from then on (RFC 3339), delivered or not
        #[arg(long, value_name = "TIME", value_parser = crate::publish::parse_time)]
        since: Option<i64>,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
}

impl EndpointAction {
    pub(crate) fn endpoint(&self) -> Uuid {
        match self {
            EndpointAction::Enable { endpoint, .. } | EndpointAction::Resend { endpoint, .. } => *endpoint,
        }
    }

    pub(crate) fn json(&self) -> bool {
        match self {
            EndpointAction::Enable { json, .. } | EndpointAction::Resend { json, .. } => *json,
        }
    }
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
    #[arg(long, conflicts_with = "to")]
    pub(crate) follow: bool,
}

/// Of whom something is asked, and by whom.
#[derive(Args, Debug)]
pub(crate) struct Asked {
    /// Who asks; it is recorded
    #[arg(long, env = "ATELIER_STAFF", default_value = "on-call", value_name = "NAME")]
    pub(crate) staff: String,
    /// The gateway
    #[arg(long, env = "ATELIER_URL", default_value = "http://127.0.0.1:8080", hide_env_values = true, value_name = "URL")]
    pub(crate) url: String,
}

#[derive(Args, Debug)]
pub(crate) struct ParkedArgs {
    /// Of this order only
    pub(crate) order: Option<Uuid>,
    /// What the read models have set aside instead, from the store
    #[arg(long, conflicts_with = "replay")]
    pub(crate) read_models: bool,
    /// Decide this command after all
    #[arg(long, value_name = "PARTITION/OFFSET", value_parser = place, requires = "reason", conflicts_with = "order")]
    pub(crate) replay: Option<(u32, u64)>,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Do it instead of saying what would happen
    #[arg(long, requires = "replay")]
    pub(crate) apply: bool,
    #[command(flatten)]
    pub(crate) asked: Asked,
    /// Machine-readable
    #[arg(long)]
    pub(crate) json: bool,
}

fn parcel(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('/').filter(|(carrier, id)| !carrier.is_empty() && !id.is_empty());
    let (carrier, id) = parts.ok_or("write it as CARRIER/MESSAGE, for example dhl/msg-4711")?;
    Ok((carrier.to_owned(), id.to_owned()))
}

fn place(text: &str) -> Result<(u32, u64), String> {
    let parts = text.split_once('/').and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)));
    parts.ok_or_else(|| "write it as PARTITION/OFFSET, for example 0/4711".into())
}

#[derive(Args, Debug)]
pub(crate) struct RepairArgs {
    /// The order
    #[arg(required_unless_present = "parcel")]
    pub(crate) order: Option<Uuid>,
    /// Instead of an order: dismiss a carrier's message about a parcel that never turns up, as `atelier gaps` names it
    #[arg(long, value_name = "CARRIER/MESSAGE", value_parser = parcel, conflicts_with = "order", requires = "reason")]
    pub(crate) parcel: Option<(String, String)>,
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
    #[arg(long, requires = "reason")]
    pub(crate) apply: bool,
    #[command(flatten)]
    pub(crate) asked: Asked,
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
    /// The same as CloudEvents 1.0, in their JSON format
    Cloudevents,
}
