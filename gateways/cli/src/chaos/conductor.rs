//! The roles, the load and the faults, in turn.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::trials::{Ack, Child, Load, Prober, Step, Tally};
use atelier_log::Log;
use atelier_schemas::Topic;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ground::Ground;
use super::kind::{Act, Kind};
use super::{Say, kept};
use crate::Failure;
use crate::settings::LogChoice;
use crate::wiring::{self, Access};

/// A role that is asked ends within it.
const END_WITHIN: Duration = Duration::from_secs(30);
/// Longer than the session of an owner (6 s).
const PAUSE: Duration = Duration::from_secs(8);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How wrong a clock may be. More would only make the trial wait for deadlines that it has set itself.
const SKEW_MS: i64 = 20_000;
/// Engines of one storm, and how long one stays.
const STORM: u32 = 4;
const GUST: Duration = Duration::from_millis(700);

/// See the module.
pub(super) struct Conductor {
    roles: Vec<Child>,
    command: Arc<dyn Fn() -> Command + Send + Sync>,
    url: String,
    folder: std::path::PathBuf,
    log: Arc<dyn Log>,
    prober: Prober,
    tally: Tally,
    say: Say,
    /// Everything moves again within it, or a rule is broken; within twice as long the orders that were placed come to
    /// their end.
    recover_within: Duration,
}

/// What is left to be judged, while the roles still run.
pub(super) struct Played {
    roles: Vec<Child>,
    pub(super) log: Arc<dyn Log>,
    pub(super) acks: Vec<Ack>,
    pub(super) tally: Tally,
}

impl Conductor {
    /// Starts the roles; returns when everything works.
    pub(super) async fn start(ground: &Ground, seed: u64, recover_within: Duration, say: Say) -> Result<Self, Failure> {
        let command = ground.command()?;
        let listen = free_address()?;
        let url = format!("http://{listen}");
        let roles: Vec<(&str, Vec<&str>)> = match &ground.settings.log {
            LogChoice::Embedded => vec![("up", vec!["up", "--listen", &listen])],
            LogChoice::Kafka { .. } => vec![
                ("engine-a", vec!["engine", "--instance", "chaos-a"]),
                ("engine-b", vec!["engine", "--instance", "chaos-b"]),
                ("projections", vec!["projections"]),
                ("pricing-a", vec!["pricing"]),
                ("pricing-b", vec!["pricing"]),
                ("webhooks-a", vec!["webhooks"]),
                ("webhooks-b", vec!["webhooks"]),
                ("gateway", vec!["gateway", "--listen", &listen]),
            ],
        };
        let mut children = Vec::new();
        for (name, args) in roles {
            let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
            let command = command.clone();
            children.push(Child::start(name, &ground.settings.data, move || with(command(), &args))?);
        }
        let log = wait_for_log(ground, &mut children, recover_within).await?;
        let mut prober = Prober::new(&url, log.partitions(), format!("chaos-{}", Uuid::now_v7().simple()))?;
        prober.all_moves(Instant::now(), recover_within).await.map_err(|why| format!("the roles do not work: {why}"))?;
        say.line(&format!("the roles work at {url}; seed {seed}"));
        Ok(Self {
            roles: children,
            command: Arc::new(command),
            url,
            folder: ground.settings.data.clone(),
            log,
            prober,
            tally: Tally::default(),
            say,
            recover_within,
        })
    }

    /// Inflicts one fault after the other, until one is not recovered from or somebody says stop; then lets the load end.
    pub(super) fn play(mut self, steps: &[Step<Kind>], seed: u64, runtime: &Handle, stop: &CancellationToken) -> Result<Played, Failure> {
        let mut load = Load::start((self.command)(), &self.url, seed, &self.folder, "load")?;
        let count = steps.len();
        for step in steps.iter().take_while(|_| !stop.is_cancelled()) {
            let kind = step.kind;
            let done = self.after_events(step.after_events, &mut load).and_then(|()| self.inflict(step, runtime));
            let done = done.and_then(|recovery| self.roles.iter_mut().try_for_each(Child::must_run).map(|()| recovery).map_err(text));
            match done {
                Ok(recovery) => {
                    self.say.line(&format!("{:>4}/{count}  {kind:<24} moves again after {:.1} s", step.number, recovery.as_secs_f64()));
                    self.tally.add(kind, Some(recovery));
                }
                Err(why) => {
                    self.say.line(&format!("{:>4}/{count}  {kind:<24} BROKEN: {why}", step.number));
                    self.tally.add(kind, None);
                    self.tally.violation(kind, why);
                    break;
                }
            }
        }
        let noted = load.acks.clone();
        if let Err(why) = load.finish(self.recover_within * 2) {
            self.tally.violation("at the end", why);
        }
        let mut acks = self.prober.take_acks();
        acks.extend(kept::noted(&noted)?);
        Ok(Played { roles: self.roles, log: self.log, acks, tally: self.tally })
    }

    fn after_events(&self, count: u64, load: &mut Load) -> Result<(), String> {
        let (started, target) = (Instant::now(), self.events()? + count);
        while self.events()? < target {
            load.must_run().map_err(text)?;
            if started.elapsed() > self.recover_within {
                return Err(format!(
                    "the load stands still: {} of {target} events after {} s",
                    self.events()?,
                    self.recover_within.as_secs()
                ));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Where the events end; a partition whose leader has just changed is asked again.
    fn events(&self) -> Result<u64, String> {
        let started = Instant::now();
        let end = |partition| loop {
            match self.log.end(Topic::Events, partition) {
                Ok(end) => return Ok(end),
                Err(atelier_log::Error::Unavailable(_)) if started.elapsed() < self.recover_within => std::thread::sleep(LOOK_AGAIN),
                Err(error) => return Err(text(error)),
            }
        };
        (0..self.log.partitions()).map(end).sum()
    }

    /// Returns how long it took until everything moved again.
    fn inflict(&mut self, step: &Step<Kind>, runtime: &Handle) -> Result<Duration, String> {
        let Kind { act, role } = step.kind;
        let candidates: Vec<usize> = (0..self.roles.len()).filter(|index| self.roles[*index].name().starts_with(role)).collect();
        let which = candidates[usize::try_from(step.draw % candidates.len() as u64).unwrap_or(0)];
        let since = Instant::now();
        match act {
            Act::Kill => self.roles[which].restart().map_err(text)?,
            Act::KillTwice => {
                self.roles[which].restart().map_err(text)?;
                std::thread::sleep(Duration::from_millis(step.draw % 1_000));
                self.roles[which].restart().map_err(text)?;
            }
            Act::Replace => {
                self.roles[which].kill().map_err(text)?;
                let recovery = self.moves(since, runtime);
                self.roles[which].restart().map_err(text)?;
                return recovery;
            }
            Act::Pause => {
                self.roles[which].pause().map_err(text)?;
                std::thread::sleep(PAUSE);
                self.roles[which].resume().map_err(text)?;
                return self.moves(Instant::now(), runtime);
            }
            Act::End => {
                self.roles[which].end(END_WITHIN).map_err(text)?;
                self.roles[which].restart().map_err(text)?;
            }
            Act::Skew => {
                let skew_ms = if step.draw.is_multiple_of(2) { SKEW_MS } else { -SKEW_MS };
                let skewed = |command: &mut Command| {
                    command.env("ATELIER_CLOCK_SKEW_MS", skew_ms.to_string());
                };
                self.roles[which].restart_as(skewed).map_err(text)?;
                self.moves(since, runtime)?;
                let right_again = Instant::now();
                self.roles[which].restart().map_err(text)?;
                return self.moves(right_again, runtime);
            }
            Act::Storm => self.storm()?,
        }
        self.moves(since, runtime)
    }

    /// Engines that come and go faster than the group can settle.
    fn storm(&mut self) -> Result<(), String> {
        let mut gusts = Vec::new();
        for number in 0..STORM {
            let args = ["engine".to_owned(), "--instance".to_owned(), format!("chaos-storm-{number}")];
            let command = self.command.clone();
            let gust = Child::start(format!("storm-{number}"), &self.folder, move || with(command(), &args));
            gusts.push(gust.map_err(text)?);
            std::thread::sleep(GUST);
        }
        for gust in &mut gusts {
            gust.kill().map_err(text)?;
            std::thread::sleep(GUST / 2);
        }
        Ok(())
    }

    fn moves(&mut self, since: Instant, runtime: &Handle) -> Result<Duration, String> {
        runtime.block_on(self.prober.all_moves(since, self.recover_within))
    }
}

impl Played {
    /// Ends the roles in the order in which they feed each other.
    pub(super) fn end(mut self) -> Tally {
        for role in self.roles.iter_mut().rev() {
            if let Err(why) = role.end(END_WITHIN) {
                self.tally.violation("at the end", why);
            }
        }
        self.tally
    }
}

fn with(mut command: Command, args: &[String]) -> Command {
    command.args(args);
    command
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Free at the moment; a role that is started again finds it free once more.
fn free_address() -> std::io::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// The log, once the roles have made it.
async fn wait_for_log(ground: &Ground, roles: &mut [Child], within: Duration) -> Result<Arc<dyn Log>, Failure> {
    let access = if ground.settings.log == LogChoice::Embedded { Access::ReadOnly } else { Access::Full };
    let started = Instant::now();
    loop {
        roles.iter_mut().try_for_each(Child::must_run)?;
        match wiring::log(&ground.settings, access).await {
            Ok(log) => return Ok(log),
            Err(error) if started.elapsed() > within => return Err(error),
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}
