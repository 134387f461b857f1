//! `atelier`: the composition root. One role per subcommand; everything is put together here and
//! nowhere else. A library, so that it is compiled beside the crates it puts together; the program is [`main`].

mod audit;
mod chaos;
mod checkpoints;
mod cli;
mod config_file;
mod demo;
mod dismiss;
mod endpoint;
mod gaps;
mod key;
mod order;
mod parked;
mod policy;
mod publish;
mod repair;
mod replay;
mod roles;
mod settings;
mod stop;
mod telemetry;
pub mod trials;
mod wiring;

use cli::{Cli, Command};
use std::process::ExitCode;

/// What went wrong, as a sentence; the program says it and ends.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    if let Command::Completions { shell } = &cli.command {
        cli::completions(*shell);
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the system gives no threads: {error}")),
    };
    let telemetry = match runtime.block_on(async { telemetry::start(&cli.settings, cli.command.voice()) }) {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(&error.to_string()),
    };
    let result = runtime.block_on(run(cli));
    telemetry.end();
    match result {
        Ok(code) => code,
        Err(error) => fail(&error.to_string()),
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { settings, command } = cli;
    match command {
        Command::Up(args) => roles::up(&settings, &args).await,
        Command::Demo(args) => demo::run(&settings, &args).await,
        Command::Chaos(args) => chaos::run(&settings, &args).await,
        Command::Engine(args) => roles::engine(&settings, &args).await,
        Command::Projections(args) => roles::projections(&settings, &args).await,
        Command::Pricing(args) => roles::pricing(&settings, &args).await,
        Command::Webhooks(args) => roles::webhooks(&settings, &args).await,
        Command::Gateway(args) => roles::gateway(&settings, &args).await,
        Command::Audit(args) => audit::run(&settings, &args).await,
        Command::Gaps(args) => gaps::run(&settings, &args).await,
        Command::Key(args) => key::run(&settings, &args).await,
        Command::Endpoint(args) => endpoint::run(&settings, &args).await,
        Command::Order(args) => order::run(&settings, &args).await,
        Command::Replay(args) => replay::run(&settings, &args).await,
        Command::Parked(args) => parked::run(&settings, &args).await,
        Command::Repair(args) => repair::run(&args).await,
        Command::Completions { .. } => Ok(ExitCode::SUCCESS),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("atelier: {message}");
    ExitCode::from(2)
}
