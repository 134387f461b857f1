//! Health and metrics of a role that serves nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use atelier_http::Limits;
use atelier_log::Log;
use atelier_schemas::Topic;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Failure;

/// What `/metrics` is.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Role {
    log: Arc<dyn Log>,
    registry: Arc<Mutex<Registry>>,
}

/// The task that serves them.
pub(crate) type Ops = Option<tokio::task::JoinHandle<()>>;

/// Serves `/healthz`, `/readyz` and `/metrics` on `listen`, where it is given.
pub(crate) async fn ops(
    listen: Option<SocketAddr>,
    log: Arc<dyn Log>,
    registry: Arc<Mutex<Registry>>,
    stop: CancellationToken,
) -> Result<Ops, Failure> {
    let Some(listen) = listen else { return Ok(None) };
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}; choose another address with --listen"))?;
    let router = axum::Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Role { log, registry });
    Ok(Some(tokio::spawn(atelier_http::serve(listener, router, Limits::default(), stop.cancelled_owned()))))
}

/// Waits until the last answer is given.
pub(crate) async fn ended(ops: Ops) -> Result<(), Failure> {
    match ops {
        Some(task) => Ok(task.await?),
        None => Ok(()),
    }
}

async fn readyz(State(role): State<Role>) -> (StatusCode, String) {
    let asked = tokio::task::spawn_blocking(move || role.log.end(Topic::Events, 0)).await;
    match asked {
        Ok(Ok(_)) => (StatusCode::OK, "ready".into()),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

async fn metrics(State(role): State<Role>) -> impl IntoResponse {
    let mut text = String::new();
    let encoded = prometheus_client::encoding::text::encode(&mut text, &role.registry.lock().unwrap_or_else(PoisonError::into_inner));
    let status = if encoded.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    (status, [(CONTENT_TYPE, OPENMETRICS)], text)
}
