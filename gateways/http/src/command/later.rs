//! What came of a command that was answered with 202.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{Accepted, Settled, settle};
use crate::app::Gateway;
use crate::problem::{Problem, Refusal};
use crate::read::store_refusal;
use atelier_projections::{SANDBOX, account};

/// The one command that carriers send.
const CARRIERS: &str = "DeliverOrder";

/// What came of a command.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CommandState {
    /// The command.
    command_id: Uuid,
    /// Whether there is an outcome. While there is none the answer's status is 202.
    decided: bool,
    /// When it was accepted: the answer it would have had.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<Accepted>,
    /// When it was refused: the answer it would have had.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Problem>,
}

/// Whose orders the caller may see.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sight<'a> {
    /// Everybody's.
    All,
    /// What carriers ask for, and nothing else of any order.
    Carrier,
    /// Those of a channel.
    Channel(&'a str),
    /// Those of one partner, or of its sandbox, as the read models name it.
    Partner(&'a str),
}

/// The outcome, 200; or 202 while there is none. A command nobody sent looks like one that is not
/// decided yet: the log is not searched for it. Orders out of sight look so too.
pub(crate) async fn command_state(gateway: &Gateway, command_id: Uuid, sight: Sight<'_>) -> Result<Response, Refusal> {
    let queries = &gateway.app.queries;
    let mut outcome = queries.outcome(command_id).await.map_err(store_refusal)?;
    if let Some(found) = &outcome {
        let owner = || async { queries.owner_of(found.order_id).await.map_err(store_refusal) };
        let hidden = match sight {
            Sight::All => false,
            Sight::Carrier => found.type_name != CARRIERS,
            Sight::Channel(seen) => owner().await?.is_some_and(|(channel, _)| channel != seen),
            // An order nobody knows is nobody's: a refused creation was under a reference of somebody else, maybe.
            Sight::Partner(seen) => owner().await?.is_none_or(|(channel, client)| match channel.as_str() {
                "partner" => account(&client, false) != seen,
                SANDBOX => account(&client, true) != seen,
                _ => true,
            }),
        };
        if hidden {
            outcome = None;
        }
    }
    let Some(outcome) = outcome else {
        let state = CommandState { command_id, decided: false, accepted: None, refused: None };
        return Ok((StatusCode::ACCEPTED, axum::Json(state)).into_response());
    };
    let (accepted, refused) = match settle(outcome) {
        Ok(Settled::Accepted { accepted, .. }) => (Some(accepted), None),
        Ok(Settled::Pending { .. }) => (None, None),
        Err(refusal) => (None, Some(refusal.into_problem())),
    };
    Ok(axum::Json(CommandState { command_id, decided: true, accepted, refused }).into_response())
}
