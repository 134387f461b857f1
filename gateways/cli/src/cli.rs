//! The command line: names, help, examples.

mod roles;
mod tools;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config_file::{self, ConfigFile};
use crate::settings::Settings;
use crate::telemetry::Voice;
pub(crate) use roles::{ChaosArgs, DemoArgs, GatewayArgs, LeftOut, PricingArgs, RoleArgs, UpArgs};
pub(crate) use tools::{
    Asked, AuditArgs, EndpointAction, EndpointArgs, Format, GapsArgs, KeyAction, KeyArgs, OrderArgs, ParkedArgs, RepairAction, RepairArgs,
    ReplayArgs,
};

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
    /// Partners' endpoints: enable one, send its messages again
    #[command(
        after_help = "`atelier gaps --cause webhook_undelivered` names the endpoints.\n\nExamples:\n  atelier endpoint enable 0197b1c2-…\n  \
atelier endpoint resend 0197b1c2-…\n  atelier endpoint resend 0197b1c2-… --since 2026-11-20T12:00:00Z"
    )]
    Endpoint(EndpointArgs),
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
atelier repair 6f1cf0b6-… reprice --reason \"worker was out of memory\" --apply --staff vera\n  \
atelier repair --parcel dhl/msg-4711 --reason \"mistyped, says dhl\" --apply"
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
            | Command::Endpoint(_)
            | Command::Order(_)
            | Command::Replay(_)
            | Command::Repair(_)
            | Command::Parked(_)
            | Command::Completions { .. } => Voice::Tool,
        }
    }
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
    understand(&file, command, std::env::args_os()).map_err(|(error, hint)| {
        let wrong = error.use_stderr();
        let _ = error.print();
        if wrong && let Some(hint) = hint {
            eprintln!("\n{hint}");
        }
        ExitCode::from(if wrong { 2 } else { 0 })
    })
}

/// What was said by `args`, the environment and the file. A refusal holds no password; a hint says where its value comes from.
fn understand(
    file: &ConfigFile,
    command: clap::Command,
    args: impl IntoIterator<Item = OsString>,
) -> Result<Cli, (clap::Error, Option<String>)> {
    let parsed = command.try_get_matches_from(args).and_then(|matches| {
        let mut cli = Cli::from_arg_matches(&matches)?;
        // For clap, what the file says is a default too.
        cli.settings.data_given = file.sets("data") || matches.value_source("data") != Some(ValueSource::DefaultValue);
        Ok(cli)
    });
    parsed.map_err(|mut error| {
        let hint = file.hint(&error);
        config_file::conceal(&mut error, &Cli::command());
        (error, hint)
    })
}

/// Writes the completion script of `shell` to standard output.
pub(crate) fn completions(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "atelier", &mut std::io::stdout());
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    fn file(text: &str) -> ConfigFile {
        config_file::read("atelier.toml".into(), text).unwrap()
    }

    fn said(file: &ConfigFile, args: &[&str]) -> Result<Cli, (clap::Error, Option<String>)> {
        let args = std::iter::once("atelier").chain(args.iter().copied()).map(OsString::from);
        understand(file, file.apply(Cli::command()).unwrap(), args)
    }

    #[test]
    fn help_shows_no_password() {
        let file = file("store = \"postgres://u:hunter2@db/a\"\nurl = \"http://u:hunter2@gate\"\notlp = \"http://u:hunter2@traces\"\n");
        for args in [&["--help"][..], &["repair", "--help"], &["parked", "--help"]] {
            let help = said(&file, args).unwrap_err().0.render().to_string();
            assert!(help.contains("ATELIER_STORE") && !help.contains("hunter2"), "{help}");
        }
        let command = Cli::command();
        let hidden = |command: &clap::Command, flag: &str| {
            command.get_arguments().any(|arg| arg.get_long() == Some(flag) && arg.is_hide_env_values_set())
        };
        assert!(hidden(&command, "store") && hidden(&command, "otlp"));
        for tool in ["repair", "parked"] {
            assert!(hidden(command.find_subcommand(tool).unwrap(), "url"), "{tool}");
        }
    }

    #[test]
    fn a_refused_address_is_not_repeated() {
        for store in ["postgre://u:hunter2@db/a", "host=db password=hunter2"] {
            let error = said(&ConfigFile::default(), &["audit", "--store", store]).unwrap_err().0.render().to_string();
            assert!(error.contains("--store") && error.contains("`postgres://user@host") && !error.contains("hunter2"), "{error}");
        }
        let (error, hint) = said(&file("store = \"postgre://u:hunter2@db/a\""), &["audit"]).unwrap_err();
        assert!(!error.render().to_string().contains("hunter2"), "{error}");
        assert_eq!(hint.as_deref(), Some("`store` is set in atelier.toml"));
        let log = said(&ConfigFile::default(), &["audit", "--log", "kafka:/k1"]).unwrap_err().0.render().to_string();
        assert!(log.contains("'kafka:/k1'"), "what holds no password is repeated: {log}");
        let open = config_file::read("atelier.toml".into(), "data = \"d\"\nstore = \"postgres://u:hunter2@db/a").unwrap_err().to_string();
        assert!(open.contains("atelier.toml, line 2") && !open.contains("hunter2"), "{open}");
    }

    #[test]
    fn a_folder_is_given_also_by_the_name_it_would_have_anyway() {
        let none = ConfigFile::default();
        assert!(!said(&none, &["demo"]).unwrap().settings.data_given);
        for args in [["--data", "./data", "demo"], ["demo", "--data", "./data"]] {
            assert!(said(&none, &args).unwrap().settings.data_given, "{args:?}");
        }
        assert!(said(&file("data = \"./data\""), &["demo"]).unwrap().settings.data_given);
        // A variable that every process has.
        let command = Cli::command().mut_arg("data", |arg| arg.env("PATH"));
        assert!(understand(&none, command, ["atelier", "demo"].map(OsString::from)).unwrap().settings.data_given);
    }

    #[test]
    fn a_replay_that_follows_has_no_end() {
        let (error, _) = said(&ConfigFile::default(), &["replay", "--to", "2026-01-01T00:00:00Z", "--follow"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{error}");
    }
}
