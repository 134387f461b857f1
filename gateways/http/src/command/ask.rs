//! A command on its way: built from the request, appended, awaited.

use atelier_log::client::Answer;
use atelier_schemas::{Actor, Command, CommandData, Replayed};
use uuid::Uuid;

use super::answer::{Pending, Settled, settle};
use super::ids::action_command_id;
use crate::app::Gateway;
use crate::extract::Terms;
use crate::problem::{Code, Refusal};

/// Where a command comes from: who asks, through which surface, on what terms.
pub(crate) struct Surroundings<'a> {
    pub(crate) gateway: &'a Gateway,
    /// Path of the surface, for the `Location` of a 202.
    pub(crate) base: &'static str,
    pub(crate) actor: Actor,
    pub(crate) terms: Terms,
}

/// What is asked of which order.
pub(crate) struct Ask {
    pub(crate) order_id: Uuid,
    /// Set where it does not follow from the terms.
    pub(crate) command_id: Option<Uuid>,
    /// The last part of the path; with the key it makes the command's id.
    pub(crate) action: &'static str,
    pub(crate) data: CommandData,
}

impl Ask {
    pub(crate) fn new(order_id: Uuid, action: &'static str, data: CommandData) -> Self {
        Self { order_id, command_id: None, action, data }
    }

    pub(crate) fn with_command_id(mut self, command_id: Uuid) -> Self {
        self.command_id = Some(command_id);
        self
    }
}

impl Surroundings<'_> {
    /// Sends the command and waits for its outcome.
    ///
    /// # Errors
    /// The engine's refusal, or 503 when the log cannot be reached: nothing was accepted then, unless it says otherwise.
    pub(crate) async fn send(self, ask: Ask) -> Result<Settled, Refusal> {
        let Self { gateway, base, actor, terms } = self;
        let app = &gateway.app;
        let order_id = ask.order_id;
        tracing::Span::current().record("order.id", tracing::field::display(order_id));
        let command_id = match (ask.command_id, &terms.key) {
            // A dry run decides nothing that a later call under the same key could be answered with.
            _ if terms.dry_run => (app.ids)(),
            (Some(command_id), _) => command_id,
            (None, Some(key)) => action_command_id(order_id, &actor, ask.action, key),
            (None, None) => (app.ids)(),
        };
        let mut command = Command::new(command_id, order_id, (app.clock)(), actor, ask.data);
        command.correlation_id = terms.correlation_id.unwrap_or(command_id);
        command.traceparent = terms.traceparent;
        command.expected_version = terms.expected_version;
        command.dry_run = terms.dry_run;
        dispatch(gateway, base, &command).await
    }
}

/// Sends a command that was sent before, as it was, and who did so why; for a dry run under an id of its own.
///
/// # Errors
/// As [`Surroundings::send`].
pub(crate) async fn resend(
    gateway: &Gateway,
    base: &'static str,
    mut command: Command,
    replayed: Replayed,
    terms: &Terms,
) -> Result<Settled, Refusal> {
    command.replayed = Some(replayed);
    if terms.dry_run {
        (command.command_id, command.dry_run) = ((gateway.app.ids)(), true);
    }
    dispatch(gateway, base, &command).await
}

async fn dispatch(gateway: &Gateway, base: &'static str, command: &Command) -> Result<Settled, Refusal> {
    let app = &gateway.app;
    let (order_id, command_id, kind) = (command.order_id, command.command_id, command.data.type_name());
    match app.client.send(command, app.config.decide_limit).await {
        Ok(Answer::Decided(outcome)) => {
            let settled = settle(outcome);
            app.metrics.command(kind, if settled.is_ok() { "accepted" } else { "refused" });
            settled
        }
        Ok(Answer::Undecided) => {
            app.metrics.command(kind, "undecided");
            tracing::warn!(%order_id, %command_id, command = kind, "no outcome in time: answered 202");
            Ok(Settled::Pending { pending: Pending { command_id, order_id }, base })
        }
        Err(error @ atelier_log::Error::Unconfirmed(_)) => {
            app.metrics.command(kind, "unconfirmed");
            tracing::error!(%order_id, %command_id, %error, "nobody can say whether a command was accepted");
            let detail = format!(
                "The order log did not confirm the command: it may be carried out or not. {base}/commands/{command_id} tells once it is. \
                 With an Idempotency-Key, send the same request again under it."
            );
            Err(Refusal::new(Code::Unavailable, detail).retry_after_s(2).order(order_id))
        }
        Err(error) => {
            app.metrics.command(kind, "not_accepted");
            Err(not_accepted(order_id, &error))
        }
    }
}

fn not_accepted(order_id: Uuid, error: &atelier_log::Error) -> Refusal {
    let refusal = match error {
        atelier_log::Error::TooLarge { bytes, limit, .. } => {
            Refusal::new(Code::TooLarge, format!("The command has {bytes} bytes, {limit} are taken. Nothing was accepted; send less text."))
        }
        other => {
            tracing::error!(%order_id, error = %other, "a command was not accepted: the log did not take it");
            Refusal::new(
                Code::Unavailable,
                "The order log did not take the command. Nothing was accepted; send the same request again in a moment.",
            )
            .retry_after_s(2)
        }
    };
    refusal.order(order_id)
}
