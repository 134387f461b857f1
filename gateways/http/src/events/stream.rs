//! `GET /events/v1/`: events as lines of JSON, straight from the log.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use tokio_stream::wrappers::ReceiverStream;

use super::TAG;
use super::envelope::EventLine;
use super::filter::EventParams;
use super::reading::Reading;
use crate::app::Gateway;
use crate::extract::{AnyStaff, Query};
use crate::problem::{Code, Problem, Refusal};

/// Read the events
///
/// One JSON object per line, each order's events in the order of their versions; events of different
/// orders may be interleaved differently each time. Without `follow` the answer ends with what had
/// happened when the request came; an answer that breaks off is not whole.
#[utoipa::path(
    get, path = "/events/v1/", operation_id = "events", tag = TAG, security(("staff" = [])),
    params(EventParams),
    responses(
        (status = 200, description = "Events, one per line", body = EventLine, content_type = "application/x-ndjson"),
        (status = 422, description = "A parameter is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The log is away, or all places for readers are taken", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn events(State(gateway): State<Gateway>, _: AnyStaff, Query(params): Query<EventParams>) -> Result<Response, Refusal> {
    let filter = params.checked()?;
    let place = gateway.reader_permit()?;
    let log = gateway.app.client.log().clone();
    let stop = gateway.app.stop.clone();
    let lines = tokio::task::spawn_blocking(move || {
        let reading = Reading::open(&log, filter).map_err(|error| error.to_string())?;
        reading.start(place, stop).map_err(|error| error.to_string())
    })
    .await
    .unwrap_or_else(|error| Err(error.to_string()))
    .map_err(|error| {
        tracing::error!(%error, "the event log could not be opened for a reader");
        Refusal::new(Code::Unavailable, "The event log does not answer. Ask again in a moment.").retry_after_s(2)
    })?;
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((headers, Body::from_stream(ReceiverStream::new(lines))).into_response())
}
