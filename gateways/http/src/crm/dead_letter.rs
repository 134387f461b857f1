//! `POST /crm/v1/dead-letters/{partition}/{offset}/replay`: a command nobody could read, decided after all.
//!
//! It keeps its id, so however often it is replayed, it is decided once.

use std::sync::Arc;
use std::time::Duration;

use atelier_log::{Log, Record};
use atelier_schemas::{Command, Framed, Replayed, Topic};
use axum::extract::{Path, State};
use utoipa::IntoParams;

use super::{BASE, TAG};
use crate::app::Gateway;
use crate::command::{Accepted, Reason, Refusals, Settled, resend};
use crate::extract::{CommandParams, Json, Sales, Terms};
use crate::problem::{Code, Refusal};

/// How long the log may take to give the record.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the command lies.
#[derive(serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct Place {
    /// Partition of `orders.commands`.
    partition: u32,
    /// Offset in it.
    offset: u64,
}

/// Decide a command that could not be read
///
/// For administrators. A command that was refused as unreadable, because its sender was newer than the engine, is
/// sent once more under the id it has; with `dry_run` the engine says what would happen. Who replays it and why is
/// written into the events it causes, beside who asked for it first.
#[utoipa::path(
    post, path = "/crm/v1/dead-letters/{partition}/{offset}/replay", operation_id = "crm_replay_dead_letter", tag = TAG,
    security(("staff" = [])), params(Place, CommandParams), request_body = Reason,
    responses((status = 200, description = "Decided, now or before", body = Accepted), Refusals),
)]
pub(crate) async fn replay(
    State(gateway): State<Gateway>,
    Sales(actor): Sales,
    place: Result<Path<Place>, axum::extract::rejection::PathRejection>,
    terms: Terms,
    Json(body): Json<Reason>,
) -> Result<Settled, Refusal> {
    let reason = body.checked()?;
    let Ok(Path(Place { partition, offset })) = place else {
        return Err(Refusal::new(Code::UnknownRecord, "A record is named by its partition and offset, two numbers."));
    };
    if actor.role != "admin" {
        return Err(Refusal::new(Code::Forbidden, "Replaying a command is for administrators."));
    }
    let place = gateway.reader_permit()?;
    let log = gateway.app.client.log().clone();
    let found = tokio::task::spawn_blocking(move || {
        let found = record_at(&log, partition, offset);
        drop(place);
        found
    });
    let away = |error: String| {
        tracing::error!(partition, offset, error, "the log does not give a record");
        Refusal::new(Code::Unavailable, "The order log cannot be read right now. Nothing was done; try again in a moment.").retry_after_s(2)
    };
    let found = found.await.map_err(|error| away(error.to_string()))?.map_err(|error| away(error.to_string()))?;
    let nothing = || Refusal::new(Code::UnknownRecord, format!("There is no command at partition {partition}, offset {offset}."));
    let record = found.ok_or_else(nothing)?;
    let command = Command::decode(&record.payload).map_err(|error| {
        Refusal::new(
            Code::Unreadable,
            format!("The command at partition {partition}, offset {offset} cannot be read by this program either: {error}."),
        )
    })?;
    if !terms.dry_run {
        tracing::info!(order.id = %command.order_id, command.id = %command.command_id, partition, offset, by = actor.name, reason, "a command is replayed");
    }
    resend(&gateway, BASE, command, Replayed { actor, reason }, &terms).await
}

fn record_at(log: &Arc<dyn Log>, partition: u32, offset: u64) -> Result<Option<Record>, atelier_log::Error> {
    if partition >= log.partitions() || offset >= log.end(Topic::Commands, partition)? {
        return Ok(None);
    }
    let mut reader = log.read(Topic::Commands, &[(partition, offset)])?;
    let first = reader.poll(1, PATIENCE)?.into_iter().next();
    Ok(first.filter(|record| record.offset == offset))
}
