//! `GET /readyz`: what the gateway needs answers.

use std::sync::Arc;
use std::time::Duration;

use atelier_schemas::Topic;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::TAG;
use crate::app::Gateway;
use crate::problem::{Code, FieldError, Problem, Refusal};

/// How long each of them may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Everything needed answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Always `ready`.
    status: &'static str,
}

/// Ask whether the gateway can serve
///
/// Commands need the log, reads need the store.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = TAG,
    responses(
        (status = 200, description = "It can", body = Ready),
        (status = 503, description = "`errors` names what does not answer", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn readyz(State(gateway): State<Gateway>) -> Result<axum::Json<Ready>, Refusal> {
    let (log, store) = tokio::join!(log(&gateway), store(&gateway));
    let errors: Vec<FieldError> = [("log", log), ("store", store)]
        .into_iter()
        .filter_map(|(name, answer)| {
            let message = answer.err()?;
            Some(FieldError { field: name.into(), message, fix: format!("See that the {name} runs and can be reached from here.") })
        })
        .collect();
    if errors.is_empty() { Ok(axum::Json(Ready { status: "ready" })) } else { Err(Refusal::fields(Code::Unavailable, errors)) }
}

async fn log(gateway: &Gateway) -> Result<(), String> {
    let Ok(probe) = Arc::clone(&gateway.log_probe).try_acquire_owned() else {
        return Err("has not answered the question before yet".into());
    };
    let log = gateway.app.client.log().clone();
    let asked = tokio::task::spawn_blocking(move || {
        let end = log.end(Topic::Commands, 0);
        drop(probe);
        end
    });
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok(Ok(_))) => Ok(()),
        Ok(Ok(Err(error))) => {
            tracing::warn!(%error, "not ready: the log does not answer");
            Err("does not answer".into())
        }
        Ok(Err(_)) => Err("could not be asked".into()),
        Err(_) => Err(format!("did not answer within {} s", LIMIT.as_secs())),
    }
}

async fn store(gateway: &Gateway) -> Result<(), String> {
    // The cheapest question there is: one row by its key, of an order that cannot exist.
    match tokio::time::timeout(LIMIT, gateway.app.queries.owner_of(Uuid::nil())).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the store does not answer");
            Err("does not answer".into())
        }
        Err(_) => Err(format!("did not answer within {} s", LIMIT.as_secs())),
    }
}
