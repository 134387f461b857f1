//! Why an order counts as standing still or lost.

use atelier_domain::{Attention, Stage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Pricing was dispatched and no worker took it.
    NoAcceptance,
    /// A pricing worker took it, and its lease ran out.
    LeaseExpired,
    /// A pricing worker said that it cannot price it.
    PricingFailed,
    /// Pricing as a whole takes longer than it may.
    NotPriced,
    /// The buyer has not sent a model, or not submitted.
    WaitingForBuyer,
    /// There is a price, and no seller has approved it.
    WaitingForSeller,
    /// Approved, and no operator has claimed it.
    NoOperator,
    /// An operator has it, and it has not moved.
    OperatorNotMoved,
    /// Made, and not packed.
    NotPacked,
    /// Packed, and not given to a carrier.
    NotShipped,
    /// With the carrier, and no delivery was told.
    NoCarrierMessage,
    /// The order as a whole takes longer than it may.
    OrderLate,
    /// The deadline of its last event has passed, and its engine has decided nothing since: none is there, or a policy put
    /// in force since gives the order longer and nobody has asked the engine anything.
    NoEngine,
    /// A read model could not understand a record and has set the order aside.
    UnreadableRecord,
    /// A carrier has delivered a parcel that no order was shipped with.
    UnknownParcel,
    /// A read model lacks records that have been in the log for longer than a limit.
    ProjectionBehind,
    /// A message to the order's partner does not arrive.
    WebhookUndelivered,
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 17] = [
        Cause::NoAcceptance,
        Cause::LeaseExpired,
        Cause::PricingFailed,
        Cause::NotPriced,
        Cause::WaitingForBuyer,
        Cause::WaitingForSeller,
        Cause::NoOperator,
        Cause::OperatorNotMoved,
        Cause::NotPacked,
        Cause::NotShipped,
        Cause::NoCarrierMessage,
        Cause::OrderLate,
        Cause::NoEngine,
        Cause::UnreadableRecord,
        Cause::UnknownParcel,
        Cause::ProjectionBehind,
        Cause::WebhookUndelivered,
    ];

    /// The name, as it stands in answers, tables and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::NoAcceptance => "no_acceptance",
            Cause::LeaseExpired => "lease_expired",
            Cause::PricingFailed => "pricing_failed",
            Cause::NotPriced => "not_priced",
            Cause::WaitingForBuyer => "waiting_for_buyer",
            Cause::WaitingForSeller => "waiting_for_seller",
            Cause::NoOperator => "no_operator",
            Cause::OperatorNotMoved => "operator_not_moved",
            Cause::NotPacked => "not_packed",
            Cause::NotShipped => "not_shipped",
            Cause::NoCarrierMessage => "no_carrier_message",
            Cause::OrderLate => "order_late",
            Cause::NoEngine => "no_engine",
            Cause::UnreadableRecord => "unreadable_record",
            Cause::UnknownParcel => "unknown_parcel",
            Cause::ProjectionBehind => "projection_behind",
            Cause::WebhookUndelivered => "webhook_undelivered",
        }
    }

    /// What should have happened, for people.
    pub const fn expected(self) -> &'static str {
        match self {
            Cause::NoAcceptance => "a pricing worker takes the job",
            Cause::LeaseExpired => "the pricing worker reports, or is done",
            Cause::PricingFailed => "a pricing worker prices the model",
            Cause::NotPriced => "the order is priced",
            Cause::WaitingForBuyer => "the buyer sends a model and submits",
            Cause::WaitingForSeller => "a seller approves or rejects the price",
            Cause::NoOperator => "an operator claims the work",
            Cause::OperatorNotMoved => "the operator goes on with the work",
            Cause::NotPacked => "an operator packs the piece",
            Cause::NotShipped => "an operator gives the parcel to a carrier",
            Cause::NoCarrierMessage => "the carrier tells that it has delivered",
            Cause::OrderLate => "the order ends",
            Cause::NoEngine => "an engine writes down that the deadline has passed, or anything else",
            Cause::UnreadableRecord => "every record can be read",
            Cause::UnknownParcel => "an order is shipped with this parcel",
            Cause::ProjectionBehind => "the read model follows the log",
            Cause::WebhookUndelivered => "the partner's endpoint takes the message",
        }
    }

    /// Found when somebody asks, not written into the ledger.
    pub(super) const fn is_derived(self) -> bool {
        matches!(
            self,
            Cause::NoEngine | Cause::UnreadableRecord | Cause::UnknownParcel | Cause::ProjectionBehind | Cause::WebhookUndelivered
        )
    }

    /// What of an order in `stage` needs a person, as a cause. A stage without a row here does not
    /// compile.
    const fn of(attention: Attention, stage: Stage) -> Option<Self> {
        match attention {
            Attention::PricingNotAccepted => Some(Cause::NoAcceptance),
            // Raised by the attempt that was lost or failed, and settled by the next one: the stage says which.
            Attention::PricingFailed if matches!(stage, Stage::PricingExpired) => Some(Cause::LeaseExpired),
            Attention::PricingFailed => Some(Cause::PricingFailed),
            // Ended orders need nobody.
            Attention::Late if matches!(stage, Stage::Closed | Stage::Cancelled) => None,
            Attention::Late => Some(Cause::OrderLate),
            Attention::Overdue | Attention::Escalated => match stage {
                Stage::Draft | Stage::Ready => Some(Cause::WaitingForBuyer),
                Stage::PricingRequested | Stage::PricingAccepted | Stage::PricingRunning | Stage::PricingFailed | Stage::PricingExpired => {
                    Some(Cause::NotPriced)
                }
                Stage::Priced => Some(Cause::WaitingForSeller),
                Stage::WorkAvailable => Some(Cause::NoOperator),
                Stage::WorkClaimed | Stage::WorkInProgress | Stage::WorkRework => Some(Cause::OperatorNotMoved),
                Stage::Completed => Some(Cause::NotPacked),
                Stage::Packaging => Some(Cause::NotShipped),
                Stage::Shipped => Some(Cause::NoCarrierMessage),
                Stage::Closed | Stage::Cancelled => None,
            },
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a cause of a gap")]
pub struct UnknownCause(String);

impl std::str::FromStr for Cause {
    type Err = UnknownCause;
    fn from_str(text: &str) -> Result<Self, UnknownCause> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text).ok_or_else(|| UnknownCause(text.to_owned()))
    }
}

/// The causes for which an order that stands so needs a person, by the names its events carry. The runner
/// has checked the stage; an attention this program does not know has no cause yet.
pub(crate) fn causes(attention: &[String], stage: &str) -> Vec<Cause> {
    let Ok(stage) = stage.parse::<Stage>() else { return Vec::new() };
    let known = attention.iter().filter_map(|name| Attention::ALL.into_iter().find(|attention| attention.as_str() == name));
    let mut causes = Vec::new();
    // What was raised once more is the same gap.
    for cause in known.filter_map(|attention| Cause::of(attention, stage)) {
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_needs_a_person_has_a_cause() {
        for stage in Stage::ALL.into_iter().filter(|stage| !stage.status().is_final()) {
            for attention in Attention::ALL {
                assert!(Cause::of(attention, stage).is_some_and(|cause| !cause.is_derived()), "{attention:?} in {stage}");
            }
        }
    }

    #[test]
    fn names_are_the_same_everywhere() {
        for cause in Cause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
            assert_eq!(cause.as_str().parse(), Ok(cause));
        }
        assert!("overdue".parse::<Cause>().is_err());
    }

    #[test]
    fn a_lost_lease_is_told_from_a_failure() {
        let failed = ["pricing_failed".to_owned(), "overdue".to_owned()];
        assert_eq!(causes(&failed, "pricing_expired"), [Cause::LeaseExpired, Cause::NotPriced]);
        assert_eq!(causes(&failed, "pricing_failed"), [Cause::PricingFailed, Cause::NotPriced]);
        let escalated = ["overdue".to_owned(), "escalated".to_owned(), "late".to_owned()];
        assert_eq!(causes(&escalated, "priced"), [Cause::WaitingForSeller, Cause::OrderLate]);
        assert_eq!(causes(&["moonstruck".to_owned()], "draft"), []);
    }
}
