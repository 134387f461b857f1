//! `GET /carrier/v1/commands/{id}`: what came of a command that was answered with 202.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::TAG;
use super::signed::{SignatureParams, believed};
use crate::app::Gateway;
use crate::command::{CommandState, Sight, command_state};
use crate::extract::{CommandId, CommandPath};
use crate::problem::{Problem, Refusal};

/// Ask what came of a command
///
/// Signed as a message is, over an empty body.
#[utoipa::path(
    get, path = "/carrier/v1/commands/{id}", operation_id = "carrier_command", tag = TAG, security(("carrier" = [])),
    params(CommandPath, SignatureParams),
    responses(
        (status = 200, description = "Decided", body = CommandState),
        (status = 202, description = "Not decided yet, or never sent by a carrier", body = CommandState),
        (status = 401, description = "Not signed, or not as agreed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Not a command's id", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The read model is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn command(State(gateway): State<Gateway>, CommandId(id): CommandId, headers: HeaderMap) -> Result<Response, Refusal> {
    believed(&gateway, &headers, b"", (gateway.app.clock)())?;
    command_state(&gateway, id, Sight::Carrier).await
}
