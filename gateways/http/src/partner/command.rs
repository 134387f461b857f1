//! `GET /partner/v1/commands/{id}`: what came of a command that was answered with 202.

use axum::extract::State;
use axum::response::Response;

use super::guard::Partner;
use super::parts::Guarded;
use super::{TAG, account};
use crate::app::Gateway;
use crate::command::{CommandState, Sight, command_state};
use crate::extract::{CommandId, CommandPath};
use crate::problem::{Problem, Refusal};

/// Ask what came of a command
#[utoipa::path(
    get, path = "/partner/v1/commands/{id}", operation_id = "partner_command", tag = TAG, security(("partner" = [])),
    params(CommandPath),
    responses(
        (status = 200, description = "Decided", body = CommandState),
        (status = 202, description = "Not decided yet, or never sent", body = CommandState),
        (status = 404, description = "Not a command's id", body = Problem, content_type = "application/problem+json"),
        Guarded,
    ),
)]
pub(crate) async fn command(
    State(gateway): State<Gateway>,
    Partner(caller): Partner,
    CommandId(id): CommandId,
) -> Result<Response, Refusal> {
    command_state(&gateway, id, Sight::Partner(&account(&caller))).await
}
