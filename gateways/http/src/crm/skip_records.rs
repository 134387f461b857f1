//! `POST /crm/v1/orders/{id}/skip-records`: an order that is set aside goes on without records nobody can read.

use atelier_schemas::CommandData;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{TAG, desk};
use crate::app::Gateway;
use crate::command::{Accepted, Ask, Refusals, Settled, checked_reason};
use crate::extract::{CommandParams, Json, OrderId, OrderPath, Sales, Terms};
use crate::problem::{Code, Refusal};

/// Records named at once, at most.
const OFFSETS_LIMIT: usize = 100;

/// Which records do not count, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"offsets": [4711], "reason": "written by a stray script"}))]
pub(crate) struct Skip {
    /// Offsets in the order's partition of `orders.events`, 1 to 100 of them: every one that cannot be read.
    #[schema(min_items = 1, max_items = 100)]
    offsets: Vec<u64>,
    /// 1 to 500 characters; no personal data.
    reason: String,
}

impl Skip {
    fn checked(self) -> Result<CommandData, Refusal> {
        let offsets: Option<Vec<i64>> = self.offsets.iter().map(|offset| i64::try_from(*offset).ok()).collect();
        match offsets {
            Some(offsets) if (1..=OFFSETS_LIMIT).contains(&offsets.len()) => {
                Ok(CommandData::SkipRecords { offsets, reason: checked_reason("reason", self.reason)? })
            }
            _ => Err(Refusal::field(
                Code::Invalid,
                "offsets",
                format!("must name 1 to {OFFSETS_LIMIT} records"),
                "Name the records that cannot be read, as `GET /mes/v1/gaps?cause=unreadable_record` gives them.",
            )),
        }
    }
}

/// Let an order go on without records nobody can read
///
/// For administrators. The order was set aside because of these records of the log; it goes on from before the
/// first of them with what followed. That they do not count is an event of the order.
#[utoipa::path(
    post, path = "/crm/v1/orders/{id}/skip-records", operation_id = "crm_skip_records", tag = TAG, security(("staff" = [])),
    params(OrderPath, CommandParams), request_body = Skip,
    responses((status = 200, description = "Done", body = Accepted), Refusals),
)]
pub(crate) async fn skip_records(
    State(gateway): State<Gateway>,
    Sales(actor): Sales,
    OrderId(id): OrderId,
    terms: Terms,
    Json(body): Json<Skip>,
) -> Result<Settled, Refusal> {
    let data = body.checked()?;
    desk(&gateway, actor, terms).send(Ask::new(id, "skip-records", data)).await
}
