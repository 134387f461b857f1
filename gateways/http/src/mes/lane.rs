//! `GET` and `PUT /mes/v1/lanes/external`: whether orders of partners come in.

use atelier_partners::{Intake, Lane};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TAG;
use crate::app::Gateway;
use crate::command::checked_reason;
use crate::extract::{Admin, AnyStaff, Json, NoParams, Query};
use crate::problem::{Code, Problem, Refusal};
use crate::stamp;

/// Whether a lane takes orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LaneIntake {
    /// New orders come in, those inside go on.
    Open,
    /// None comes in, and none of those inside is given to an operator.
    Paused,
    /// None comes in, those inside go on.
    Drain,
}

/// How the switch is to stand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"intake": "drain", "reason": "the furnace is serviced tomorrow"}))]
pub(crate) struct Turn {
    intake: LaneIntake,
    /// 1 to 500 characters; it stays on record.
    reason: String,
}

/// How the switch stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct LaneState {
    intake: LaneIntake,
    /// Why it was turned; null when nobody ever touched it.
    reason: Option<String>,
    /// By whom.
    by: Option<String>,
    /// When, RFC 3339.
    since: Option<String>,
    /// Turns so far.
    turn: i64,
}

impl From<LaneIntake> for Intake {
    fn from(intake: LaneIntake) -> Self {
        match intake {
            LaneIntake::Open => Intake::Open,
            LaneIntake::Paused => Intake::Paused,
            LaneIntake::Drain => Intake::Drain,
        }
    }
}

impl From<Lane> for LaneState {
    fn from(lane: Lane) -> Self {
        let intake = match lane.intake {
            Intake::Open => LaneIntake::Open,
            Intake::Paused => LaneIntake::Paused,
            Intake::Drain => LaneIntake::Drain,
        };
        Self { intake, reason: lane.reason, by: lane.by, since: lane.at.map(stamp::text), turn: lane.turn }
    }
}

/// See the switch of the partners' lane
#[utoipa::path(
    get, path = "/mes/v1/lanes/external", operation_id = "mes_lane", tag = TAG, security(("staff" = [])),
    responses(
        (status = 200, description = "How it stands", body = LaneState),
        (status = 503, description = "Its table is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn lane(State(gateway): State<Gateway>, _: AnyStaff) -> Result<axum::Json<LaneState>, Refusal> {
    gateway.app.accounts.lane().await.map(|lane| axum::Json(lane.into())).map_err(away)
}

/// Turn the switch of the partners' lane
///
/// For administrators. It counts from the answer on, in every gateway.
#[utoipa::path(
    put, path = "/mes/v1/lanes/external", operation_id = "mes_lane_turn", tag = TAG, security(("staff" = [])),
    request_body = Turn,
    responses(
        (status = 200, description = "Turned", body = LaneState),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is not valid", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Its table is away: it stands as it stood", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn turn(
    State(gateway): State<Gateway>,
    Admin(actor): Admin,
    _: Query<NoParams>,
    Json(body): Json<Turn>,
) -> Result<axum::Json<LaneState>, Refusal> {
    let reason = checked_reason("reason", body.reason)?;
    let app = &gateway.app;
    let lane = app.accounts.turn_lane(body.intake.into(), &reason, &actor.name, (app.clock)()).await.map_err(away)?;
    tracing::info!(intake = lane.intake.as_str(), turn = lane.turn, "the partners' lane was turned");
    Ok(axum::Json(lane.into()))
}

pub(super) fn away(error: atelier_partners::Error) -> Refusal {
    tracing::error!(%error, "the switch of the partners' lane did not answer");
    Refusal::new(Code::Unavailable, "The switch of the partners' lane does not answer. Ask again in a moment.").retry_after_s(2)
}
