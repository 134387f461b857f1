//! Which events.

use atelier_schemas::{Event, EventData, TimeMs};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::envelope::Envelope;
use crate::problem::Refusal;
use crate::stamp;
use crate::validate::Check;

/// Which events. Nothing set: all.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParams {
    /// Decided at or after this time, RFC 3339.
    from: Option<String>,
    /// Decided before this time, RFC 3339.
    to: Option<String>,
    /// Types, separated by commas, for example `OrderCreated,OrderShipped`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    types: Option<String>,
    /// Of this order only.
    order: Option<String>,
    /// Go on with what happens from now on.
    follow: Option<bool>,
    /// What a line looks like; `plain` unless given.
    #[param(inline)]
    format: Option<Envelope>,
}

/// The same, read and checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    from: Option<TimeMs>,
    to: Option<TimeMs>,
    types: Option<Vec<String>>,
    pub(crate) order: Option<Uuid>,
    pub(crate) follow: bool,
    pub(crate) envelope: Envelope,
}

impl EventParams {
    pub(crate) fn checked(self) -> Result<Filter, Refusal> {
        let mut check = Check::new();
        let mut time = |field: &str, text: Option<String>| {
            let time = text.as_deref().map(stamp::parse);
            if time == Some(None) {
                check.fault(
                    field,
                    "is not a time",
                    "Send RFC 3339 in UTC, for example `2026-01-02T03:04:05Z` (a `+` must be written `%2B`).",
                );
            }
            time.flatten()
        };
        let (from, to) = (time("from", self.from), time("to", self.to));
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            check.fault("to", "is not after `from`", "Send a later time.");
        }
        let order = self.order.as_deref().map(Uuid::try_parse);
        if matches!(order, Some(Err(_))) {
            check.fault("order", "is not an order's id", "Send its UUID.");
        }
        let types = self.types.map(|types| types.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>());
        if let Some(unknown) = types.iter().flatten().find(|name| !EventData::TYPES.contains(&name.as_str())) {
            let shown: String = unknown.chars().take(40).collect();
            check.fault(
                "type",
                format!("names `{shown}`, which is no type of event"),
                format!("Known here: {}.", EventData::TYPES.join(", ")),
            );
        }
        let follow = self.follow.unwrap_or(false);
        if follow && to.is_some() {
            check.fault("to", "does not go with `follow=true`", "Leave one of them out.");
        }
        check.done()?;
        Ok(Filter { from, to, types, order: order.and_then(Result::ok), follow, envelope: self.format.unwrap_or_default() })
    }
}

impl Filter {
    pub(crate) fn takes(&self, event: &Event) -> bool {
        self.from.is_none_or(|from| event.time >= from)
            && self.to.is_none_or(|to| event.time < to)
            && self.order.is_none_or(|order| event.order_id == order)
            && self.types.as_ref().is_none_or(|types| types.iter().any(|name| name == event.data.type_name()))
    }

    /// A record that cannot be read is told of, unless it certainly belongs to another order.
    pub(crate) fn takes_unreadable(&self, key: &str) -> bool {
        self.order.is_none_or(|order| order.to_string() == key)
    }
}
