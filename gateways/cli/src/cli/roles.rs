//! What the roles take.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use atelier_http::Surface;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

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
    /// Everything moves again so long after a fault (30s, 5m), or it counts as broken; more for a machine with little to spare
    #[arg(long, default_value = "90s", value_name = "TIME", value_parser = super::tools::duration)]
    pub(crate) recover_within: Duration,
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
