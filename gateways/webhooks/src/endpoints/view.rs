//! What a partner sees of its endpoints and deliveries.

use atelier_log::Partition;
use atelier_store::{Columns, Error, Row};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::stamp::rfc3339;
use crate::tables::{DELIVERED, GIVEN_UP, PENDING};
use crate::wanting::Wishes;

/// How an endpoint is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The last message arrived, or none was sent yet.
    Ok,
    /// The last attempts failed.
    Failing,
    /// Nothing is sent until `open_until`: so many failed in a row, or the endpoint asked for a pause. Then one message,
    /// to see.
    CircuitOpen,
    /// Nothing is sent until it is enabled. Messages wait.
    Disabled,
}

/// An address that a partner's messages go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Endpoint {
    /// Its id.
    pub id: Uuid,
    /// https.
    pub url: String,
    /// Types of messages wanted; empty: all.
    pub events: Vec<String>,
    /// The partner's words.
    pub description: String,
    /// How it is doing.
    pub state: State,
    /// Whether messages are sent there.
    pub enabled: bool,
    /// RFC 3339.
    pub disabled_at: Option<String>,
    /// Why it was disabled.
    pub disabled_why: Option<String>,
    /// Attempts that failed in a row.
    pub failures: i64,
    /// RFC 3339.
    pub failing_since: Option<String>,
    /// What the last failure was.
    pub last_failure: Option<String>,
    /// RFC 3339, within a minute or so.
    pub last_success_at: Option<String>,
    /// RFC 3339; while nothing is sent for that reason.
    pub open_until: Option<String>,
    /// Until then messages are signed with the secret before as well. RFC 3339.
    pub old_secret_until: Option<String>,
    /// RFC 3339.
    pub created_at: String,
}

/// Columns of [`Endpoint::read`].
pub(super) const COLUMNS: &str = "endpoint_id, url, events, description, enabled, disabled_at, disabled_why, failures, failing_since, \
    last_failure, last_success_at, open_until, old_until, created_at";

impl Endpoint {
    pub(super) fn read(row: &Row, now: i64) -> Result<Self, Error> {
        let mut columns = Columns::of(row);
        let (id, url, events, description) = (columns.id()?, columns.text()?, columns.text()?, columns.text()?);
        let (enabled, disabled_at, disabled_why) = (columns.flag()?, columns.optional_int()?, columns.optional_text()?);
        let (failures, failing_since, last_failure) = (columns.int()?, columns.optional_int()?, columns.optional_text()?);
        let (last_success_at, open_until, old_until) = (columns.optional_int()?, columns.optional_int()?, columns.optional_int()?);
        let open_until = open_until.filter(|until| *until > now);
        let state = match (enabled, open_until, failures) {
            (false, ..) => State::Disabled,
            (true, Some(_), _) => State::CircuitOpen,
            (true, None, 0) => State::Ok,
            (true, None, _) => State::Failing,
        };
        Ok(Self {
            id,
            url,
            events: events.split_whitespace().map(ToOwned::to_owned).collect(),
            description,
            state,
            enabled,
            disabled_at: disabled_at.map(rfc3339),
            disabled_why,
            failures,
            failing_since: failing_since.map(rfc3339),
            last_failure,
            last_success_at: last_success_at.map(rfc3339),
            open_until: open_until.map(rfc3339),
            old_secret_until: old_until.filter(|until| *until > now).map(rfc3339),
            created_at: rfc3339(columns.int()?),
        })
    }
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be sent, or to be sent again.
    Pending,
    /// Answered with 2xx.
    Delivered,
    /// Failed for three days while others arrived. It can be sent again.
    GivenUp,
}

impl DeliveryState {
    pub(super) const fn stored(self) -> i64 {
        match self {
            Self::Pending => PENDING,
            Self::Delivered => DELIVERED,
            Self::GivenUp => GIVEN_UP,
        }
    }

    fn read(stored: i64) -> Self {
        match stored {
            DELIVERED => Self::Delivered,
            GIVEN_UP => Self::GivenUp,
            _ => Self::Pending,
        }
    }
}

/// A message to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Delivery {
    /// The event's id and the message's `webhook-id`.
    pub event_id: Uuid,
    /// `order.status_changed` and the like.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The order it is about.
    pub order_id: Uuid,
    /// Its number among the order's messages.
    pub sequence: i64,
    /// Where it stands.
    pub state: DeliveryState,
    /// So far.
    pub attempts: i64,
    /// Of the event, RFC 3339.
    pub event_at: String,
    /// When it was delivered or given up, RFC 3339.
    pub settled_at: Option<String>,
    /// Of the last attempt, RFC 3339.
    pub last_attempt_at: Option<String>,
    /// HTTP status of the last answer.
    pub last_status: Option<i64>,
    /// Why there was no answer to the last attempt.
    pub last_error: Option<String>,
    /// The beginning of the last answer's body, at most 4 KiB.
    pub last_answer: Option<String>,
    /// How long the last attempt took.
    pub last_duration_ms: Option<i64>,
}

/// Columns of [`Delivery::read`], of `webhook_messages m` and, where it has a row, `webhook_deliveries d`.
pub(super) const DELIVERY: &str = "m.number, m.log_partition, m.log_offset, d.number, m.event_id, m.event_type, m.order_id, m.sequence, \
    d.state, d.attempts, m.event_at, d.settled_at, d.last_at, d.last_code, d.last_error, d.last_answer, d.last_ms";

impl Delivery {
    /// With its number. `None`: it has no row and is not wanted.
    pub(super) fn read(row: &Row, wishes: &Wishes) -> Result<(Option<Self>, i64), Error> {
        let mut columns = Columns::of(row);
        let (number, partition, offset) = (columns.int()?, columns.int()?, columns.int()?.cast_unsigned());
        let has_row = columns.optional_int()?.is_some();
        let (event_id, event_type, order_id, sequence) = (columns.id()?, columns.text()?, columns.id()?, columns.int()?);
        let partition = Partition::try_from(partition).unwrap_or(Partition::MAX);
        if !has_row && !wishes.want(number, &event_type, partition, offset) {
            return Ok((None, number));
        }
        let state = DeliveryState::read(columns.optional_int()?.unwrap_or(PENDING));
        let (attempts, event_at) = (columns.optional_int()?.unwrap_or(0), columns.int()?);
        let delivery = Self {
            event_id,
            event_type,
            order_id,
            sequence,
            state,
            attempts,
            event_at: rfc3339(event_at),
            settled_at: columns.optional_int()?.map(rfc3339),
            last_attempt_at: columns.optional_int()?.map(rfc3339),
            last_status: columns.optional_int()?,
            last_error: columns.optional_text()?,
            last_answer: columns.optional_text()?,
            last_duration_ms: columns.optional_int()?,
        };
        Ok((Some(delivery), number))
    }
}

/// Which deliveries. Nothing set: all, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct DeliveryFilter {
    /// Only these.
    #[param(inline)]
    pub state: Option<DeliveryState>,
    /// Only of this order.
    pub order_id: Option<Uuid>,
    /// 1 to 200, 50 when not given.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// A part of the delivery log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Deliveries {
    /// The latest message first.
    pub items: Vec<Delivery>,
    /// Give it back as `cursor` for the next part; null at the end.
    pub next: Option<String>,
}

/// How a test went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tested {
    /// Whether the answer was 2xx.
    pub delivered: bool,
    /// HTTP status of the answer.
    pub status: Option<i64>,
    /// Why there was none.
    pub error: Option<String>,
    /// The beginning of its body, at most 4 KiB.
    pub answer: Option<String>,
    /// How long it took.
    pub duration_ms: i64,
}
