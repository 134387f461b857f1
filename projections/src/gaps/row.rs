//! Rows of `gap_orders` and `gaps`.

use atelier_schemas::TimeMs;
use atelier_store::{Columns, Conflict, Row, Table, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cause::{Cause, UnknownCause};
use super::view::{Gap, LastEvent};
use crate::Error;
use crate::queue::work;
use crate::show::rfc3339;

#[rustfmt::skip]
pub(super) static ORDERS: Table = Table::new(
    "gap_orders",
    &[
        "order_id", "version", "channel", "status", "stage", "held", "since_at", "holder", "lease_until", "failures",
        "last_type", "last_version", "last_at", "open", "log_partition", "due_at",
    ],
    1,
    Conflict::Replace,
);

#[rustfmt::skip]
pub(super) static GAPS: Table = Table::new(
    "gaps",
    &[
        "gap_id", "order_id", "cause", "version", "channel", "status", "stage", "held", "since_at", "expected_at", "holder", "failures",
        "last_type", "last_version", "last_at", "opened_at", "closed_at", "closed_by",
    ],
    1,
    Conflict::Replace,
);

/// An order as the ledger needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderRow {
    pub(super) order_id: Uuid,
    pub(super) version: i64,
    pub(super) channel: String,
    pub(super) status: String,
    pub(super) stage: String,
    pub(super) held: bool,
    pub(super) since_at: i64,
    pub(super) holder: Option<String>,
    pub(super) lease_until: Option<i64>,
    /// Attempts lost or failed since the order came to pricing.
    pub(super) failures: i64,
    pub(super) last_type: String,
    pub(super) last_version: i64,
    pub(super) last_at: i64,
    pub(super) open: Vec<Open>,
    pub(super) log_partition: u32,
    /// When the engine is to say that the order has not left its stage; `None` once it has, and while it has not to.
    pub(super) due_at: Option<i64>,
}

/// What only the event that opened a gap could tell of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) cause: Cause,
    /// Of the order, with the event that opened it.
    pub(super) version: i64,
    pub(super) at: TimeMs,
    pub(super) expected_at: TimeMs,
    /// The pricing worker that had the order and has it no longer.
    pub(super) lost_by: Option<String>,
}

/// A gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GapRow {
    pub(super) gap_id: Uuid,
    order_id: Uuid,
    cause: Cause,
    version: i64,
    channel: String,
    status: String,
    stage: String,
    held: bool,
    since_at: i64,
    expected_at: i64,
    holder: Option<String>,
    failures: i64,
    last_type: String,
    last_version: i64,
    last_at: i64,
    pub(super) opened_at: i64,
    closed: Option<(i64, String)>,
}

impl OrderRow {
    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        let mut columns = Columns::of(row);
        Ok(Self {
            order_id: columns.id()?,
            version: columns.int()?,
            channel: columns.text()?,
            status: columns.text()?,
            stage: columns.text()?,
            held: columns.flag()?,
            since_at: columns.int()?,
            holder: columns.optional_text()?,
            lease_until: columns.optional_int()?,
            failures: columns.int()?,
            last_type: columns.text()?,
            last_version: columns.int()?,
            last_at: columns.int()?,
            open: serde_json::from_str(&columns.text()?).map_err(|error| Error::Broken(format!("open gaps of an order: {error}")))?,
            log_partition: u32::try_from(columns.int()?).map_err(|error| Error::Broken(format!("partition of an order: {error}")))?,
            due_at: columns.optional_int()?,
        })
    }

    pub(super) fn write(&self) -> Vec<Value> {
        vec![
            self.order_id.into(),
            self.version.into(),
            self.channel.as_str().into(),
            self.status.as_str().into(),
            self.stage.as_str().into(),
            self.held.into(),
            self.since_at.into(),
            (&self.holder).into(),
            self.lease_until.into(),
            self.failures.into(),
            self.last_type.as_str().into(),
            self.last_version.into(),
            self.last_at.into(),
            serde_json::to_string(&self.open).expect("plain fields become JSON").as_str().into(),
            i64::from(self.log_partition).into(),
            self.due_at.into(),
        ]
    }

    /// The gap as the order stands now. Its id is the same however often it is worked out.
    pub(super) fn gap(&self, open: &Open) -> GapRow {
        GapRow {
            gap_id: Uuid::new_v5(&self.order_id, format!("{}:{}", open.cause, open.version).as_bytes()),
            order_id: self.order_id,
            cause: open.cause,
            version: self.version,
            channel: self.channel.clone(),
            status: self.status.clone(),
            stage: self.stage.clone(),
            held: self.held,
            since_at: self.since_at,
            expected_at: open.expected_at,
            holder: open.lost_by.clone().or_else(|| self.holder.clone()),
            failures: self.failures,
            last_type: self.last_type.clone(),
            last_version: self.last_version,
            last_at: self.last_at,
            opened_at: open.at,
            closed: None,
        }
    }
}

impl GapRow {
    pub(super) fn closed(self, at: TimeMs, by: &str) -> Self {
        Self { closed: Some((at, by.to_owned())), ..self }
    }

    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        let mut columns = Columns::of(row);
        Ok(Self {
            gap_id: columns.id()?,
            order_id: columns.id()?,
            cause: columns.text()?.parse().map_err(|error: UnknownCause| Error::Broken(error.to_string()))?,
            version: columns.int()?,
            channel: columns.text()?,
            status: columns.text()?,
            stage: columns.text()?,
            held: columns.flag()?,
            since_at: columns.int()?,
            expected_at: columns.int()?,
            holder: columns.optional_text()?,
            failures: columns.int()?,
            last_type: columns.text()?,
            last_version: columns.int()?,
            last_at: columns.int()?,
            opened_at: columns.int()?,
            closed: columns.optional_int()?.zip(columns.optional_text()?),
        })
    }

    pub(super) fn write(&self) -> Vec<Value> {
        vec![
            self.gap_id.into(),
            self.order_id.into(),
            self.cause.as_str().into(),
            self.version.into(),
            self.channel.as_str().into(),
            self.status.as_str().into(),
            self.stage.as_str().into(),
            self.held.into(),
            self.since_at.into(),
            self.expected_at.into(),
            (&self.holder).into(),
            self.failures.into(),
            self.last_type.as_str().into(),
            self.last_version.into(),
            self.last_at.into(),
            self.opened_at.into(),
            self.closed.as_ref().map(|(at, _)| *at).into(),
            self.closed.as_ref().map(|(_, by)| by.as_str()).into(),
        ]
    }

    /// As `role` reads it.
    pub(super) fn view(self, role: &str) -> Gap {
        // Of a closed gap nothing is left to repair, and its stage is the one of then.
        let allowed = if self.closed.is_none() { crate::allowed_for(&self.stage, self.held, role) } else { Vec::new() };
        Gap {
            gap_id: self.gap_id,
            cause: self.cause,
            order_id: Some(self.order_id.to_string()),
            channel: Some(self.channel),
            status: Some(self.status),
            work: self.stage.parse().ok().and_then(work).map(ToOwned::to_owned),
            held: self.held,
            version: Some(self.version),
            since: Some(rfc3339(self.since_at)),
            expected: self.cause.expected().to_owned(),
            expected_by: Some(rfc3339(self.expected_at)),
            holder: self.holder,
            failures: self.failures,
            last_event: Some(LastEvent { type_name: self.last_type, version: self.last_version, at: rfc3339(self.last_at) }),
            detail: None,
            opened_at: rfc3339(self.opened_at),
            open_ms: self.closed.as_ref().map(|(at, _)| at - self.opened_at),
            closed_at: self.closed.as_ref().map(|(at, _)| rfc3339(*at)),
            closed_by: self.closed.map(|(_, by)| by),
            allowed,
        }
    }
}
