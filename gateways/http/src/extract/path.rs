//! Ids in the path.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::Gateway;
use crate::problem::{Code, Refusal};

/// The `{id}` of an order.
#[derive(Clone, Copy)]
pub(crate) struct OrderId(pub(crate) Uuid);

/// The `{id}` of a command.
#[derive(Clone, Copy)]
pub(crate) struct CommandId(pub(crate) Uuid);

/// For the document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(crate) struct OrderPath {
    /// The order's id.
    id: Uuid,
}

/// For the document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(crate) struct CommandPath {
    /// The command's id, as the 202 answer gave it.
    id: Uuid,
}

impl FromRequestParts<Gateway> for OrderId {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        id(parts, gateway, Code::UnknownOrder, "is not an order's id", "Use the `order_id` that creating the order gave you.")
            .await
            .map(Self)
    }
}

impl FromRequestParts<Gateway> for CommandId {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        id(parts, gateway, Code::UnknownCommand, "is not a command's id", "Use the `command_id` of the 202 answer.").await.map(Self)
    }
}

async fn id(parts: &mut Parts, gateway: &Gateway, code: Code, message: &str, fix: &str) -> Result<Uuid, Refusal> {
    let text = axum::extract::Path::<String>::from_request_parts(parts, gateway).await.map(|path| path.0).unwrap_or_default();
    // One spelling per id: braces, URN and the like are not taken.
    match Uuid::try_parse(&text) {
        Ok(id) if text.len() == 36 => Ok(id),
        _ => Err(Refusal::field(code, "id", message, fix)),
    }
}
