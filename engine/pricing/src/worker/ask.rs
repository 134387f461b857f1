//! Commands of the worker: their ids, and sending them until somebody answers.

use std::time::Duration;

use atelier_log::Error;
use atelier_log::client::Answer;
use atelier_schemas::{Actor, Command, CommandData, OutcomeResult, PricingJob, TimeMs};
use tokio::time::Instant;
use uuid::Uuid;

use super::Shared;

/// Of the ids of workers' commands.
const NAMESPACE: Uuid = Uuid::from_u128(0x8d3f_7c52_94a1_4e0b_b6d8_21f0_5a9e_c374);
/// Pauses between two tries, doubling from the first to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What the engine said, if it did.
#[derive(Debug, PartialEq)]
pub(super) enum Answered {
    Accepted {
        /// The same command was accepted before: by this worker's former life.
        repeated: bool,
    },
    Refused {
        code: String,
        detail: String,
        /// Of an attempt asked for: the one that is free instead, for the same work.
        free: Option<i32>,
    },
    /// Nobody answered in the time given, or the log will never take the command.
    Nothing(String),
}

/// A command of `worker` about `job`. The step makes the id: the same step is the same command.
pub fn command(worker: &str, job: &PricingJob, step: &str, now: TimeMs, data: CommandData) -> Command {
    let id = Uuid::new_v5(&NAMESPACE, format!("{}/{}/{worker}/{step}", job.order_id, job.attempt).as_bytes());
    let actor = Actor { role: "worker".to_owned(), name: worker.to_owned() };
    let mut command = Command::new(id, job.order_id, now, actor, data);
    command.correlation_id = job.correlation_id;
    command.traceparent.clone_from(&job.traceparent);
    command
}

impl Shared {
    /// [`command`] of this worker, now.
    pub(super) fn command(&self, job: &PricingJob, step: &str, data: CommandData) -> Command {
        command(&self.config.name, job, step, (self.clock)(), data)
    }

    /// Sends the same command again and again until it is decided, for at most `limit` (`None`: until
    /// the caller drops the future).
    pub(super) async fn ask(&self, command: &Command, limit: Option<Duration>) -> Answered {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut pause = BACKOFF.0;
        let mut warned = false;
        loop {
            let why = match self.client.send(command, self.config.command_wait).await {
                Ok(Answer::Decided(outcome)) => return answered(outcome.result),
                Ok(Answer::Undecided) => "the engine has not decided yet".to_owned(),
                Err(error @ (Error::TooLarge { .. } | Error::InUse(_) | Error::Mismatch(_))) => {
                    return Answered::Nothing(error.to_string());
                }
                Err(error @ (Error::Unavailable(_) | Error::Unconfirmed(_) | Error::Full(_))) => error.to_string(),
            };
            if !std::mem::replace(&mut warned, true) {
                tracing::warn!(command = command.type_name, %why, "no answer yet; the same command is sent again");
            }
            if deadline.is_some_and(|deadline| Instant::now() + pause >= deadline) {
                return Answered::Nothing(why);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACKOFF.1);
        }
    }
}

fn answered(result: OutcomeResult) -> Answered {
    match result {
        OutcomeResult::Accepted { repeated, .. } => Answered::Accepted { repeated },
        OutcomeResult::Refused { code, detail, attempt, .. } => Answered::Refused { code, detail, free: attempt },
    }
}
