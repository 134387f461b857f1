//! Every legal move, one row each.

use crate::Role::{self, Admin, Carrier, Customer, Operator, Partner, Sandbox, Seller, Worker};
use crate::Stage::{
    self, Cancelled, Closed, Completed, Draft, Packaging, Priced, PricingAccepted, PricingExpired, PricingFailed, PricingRequested,
    PricingRunning, Ready, Shipped, WorkAvailable, WorkClaimed, WorkInProgress, WorkRework,
};

/// What can be asked of an order that exists. (Creating one is the only thing that can be asked of none.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Action {
    AttachModel,
    Submit,
    AcceptPricing,
    HeartbeatPricing,
    CompletePricing,
    FailPricing,
    Quote,
    Reprice,
    Approve,
    Reject,
    Claim,
    Start,
    Complete,
    Rework,
    Release,
    Pack,
    Ship,
    Deliver,
    Close,
    Hold,
    Resume,
    Cancel,
    Accept,
    Amend,
    SkipRecords,
    Advance,
    Clock,
}

impl Action {
    /// Whether only orders of a sandbox know it.
    pub const fn is_of_sandbox(self) -> bool {
        matches!(self, Action::Advance | Action::Clock)
    }

    /// The name in answers (`allowed`), which is the last part of the HTTP path where there is one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::AttachModel => "model",
            Action::Submit => "submit",
            Action::AcceptPricing => "accept_pricing",
            Action::HeartbeatPricing => "heartbeat_pricing",
            Action::CompletePricing => "complete_pricing",
            Action::FailPricing => "fail_pricing",
            Action::Quote => "quote",
            Action::Reprice => "reprice",
            Action::Approve => "approve",
            Action::Reject => "reject",
            Action::Claim => "claim",
            Action::Start => "start",
            Action::Complete => "complete",
            Action::Rework => "rework",
            Action::Release => "release",
            Action::Pack => "pack",
            Action::Ship => "ship",
            Action::Deliver => "deliver",
            Action::Close => "close",
            Action::Hold => "hold",
            Action::Resume => "resume",
            Action::Cancel => "cancel",
            Action::Accept => "accept",
            Action::Amend => "amend",
            Action::SkipRecords => "skip-records",
            Action::Advance => "advance",
            Action::Clock => "clock",
        }
    }
}

/// What a hold means for a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileHeld {
    /// Waits until the hold is lifted.
    Refused,
    /// Goes on: it records what happened anyway, or ends the order.
    Allowed,
    /// Makes sense only then.
    Required,
}

/// One legal move.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is asked.
    pub action: Action,
    /// By whom.
    pub roles: &'static [Role],
    /// In which stages.
    pub from: &'static [Stage],
    /// Where the order may stand afterwards; empty: where it stood.
    pub to: &'static [Stage],
    /// On hold.
    pub held: WhileHeld,
}

const LEASED: &[Stage] = &[PricingAccepted, PricingRunning];
const BEFORE_WORK: &[Stage] = &[Draft, Ready, PricingRequested, PricingAccepted, PricingRunning, PricingFailed, PricingExpired, Priced];
const BEFORE_SHIPPED: &[Stage] = &[
    Draft,
    Ready,
    PricingRequested,
    PricingAccepted,
    PricingRunning,
    PricingFailed,
    PricingExpired,
    Priced,
    WorkAvailable,
    WorkClaimed,
    WorkInProgress,
    WorkRework,
    Completed,
    Packaging,
];
const OPEN: &[Stage] = &[
    Draft,
    Ready,
    PricingRequested,
    PricingAccepted,
    PricingRunning,
    PricingFailed,
    PricingExpired,
    Priced,
    WorkAvailable,
    WorkClaimed,
    WorkInProgress,
    WorkRework,
    Completed,
    Packaging,
    Shipped,
];
const ANY: &[Stage] = &Stage::ALL;
const BENCH: &[Role] = &[Operator, Admin];
const SALES: &[Role] = &[Seller, Admin];
const STAFF: &[Role] = &[Operator, Seller, Admin];
const BUYER: &[Role] = &[Customer, Partner, Sandbox];
const PARTNER: &[Role] = &[Partner, Sandbox];
/// Approved, not at its end.
const AT_WORK: &[Stage] = &[WorkAvailable, WorkClaimed, WorkInProgress, WorkRework, Completed, Packaging, Shipped];
/// One step on from there.
const STEPPED: &[Stage] = &[WorkClaimed, WorkInProgress, Completed, Packaging, Shipped, Closed];
/// Handed in, not approved yet.
const BEFORE_APPROVAL: &[Stage] = &[PricingRequested, PricingAccepted, PricingRunning, PricingFailed, PricingExpired, Priced];

const fn row(action: Action, roles: &'static [Role], from: &'static [Stage], to: &'static [Stage], held: WhileHeld) -> Row {
    Row { action, roles, from, to, held }
}

/// The lifecycle. What is not here is refused.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    //  action                    who         from                                       to                                   on hold
    row(Action::AttachModel,      BUYER,      &[Draft, Ready],                           &[Ready],                            WhileHeld::Refused),
    row(Action::Submit,           BUYER,      &[Ready],                                  &[PricingRequested],                 WhileHeld::Refused),
    row(Action::AcceptPricing,    &[Worker],  &[PricingRequested],                       &[PricingAccepted],                  WhileHeld::Allowed),
    row(Action::HeartbeatPricing, &[Worker],  LEASED,                                    &[PricingRunning],                   WhileHeld::Allowed),
    row(Action::CompletePricing,  &[Worker],  LEASED,                                    &[Priced, WorkAvailable],            WhileHeld::Allowed),
    row(Action::FailPricing,      &[Worker],  LEASED,                                    &[PricingFailed, PricingRequested],  WhileHeld::Allowed),
    row(Action::Quote,            SALES,      BEFORE_APPROVAL,                           &[Priced, WorkAvailable],            WhileHeld::Refused),
    row(Action::Reprice,          SALES,      &[PricingFailed, PricingExpired, Priced],  &[PricingRequested],                 WhileHeld::Refused),
    row(Action::Approve,          SALES,      &[Priced],                                 &[WorkAvailable],                    WhileHeld::Refused),
    row(Action::Reject,           SALES,      &[PricingFailed, PricingExpired, Priced],  &[Cancelled],                        WhileHeld::Refused),
    row(Action::Accept,           PARTNER,    &[Priced],                                 &[WorkAvailable],                    WhileHeld::Refused),
    row(Action::Amend,            PARTNER,    BEFORE_APPROVAL,                           &[PricingRequested],                 WhileHeld::Refused),
    row(Action::Claim,            BENCH,      &[WorkAvailable],                          &[WorkClaimed],                      WhileHeld::Refused),
    row(Action::Start,            BENCH,      &[WorkClaimed],                            &[WorkInProgress],                   WhileHeld::Refused),
    row(Action::Complete,         BENCH,      &[WorkInProgress, WorkRework],             &[Completed],                        WhileHeld::Refused),
    row(Action::Rework,           BENCH,      &[WorkInProgress, Completed, Packaging],   &[WorkRework],                       WhileHeld::Refused),
    row(Action::Release,          BENCH,      &[WorkClaimed, WorkInProgress, WorkRework],&[WorkAvailable],                    WhileHeld::Allowed),
    row(Action::Pack,             BENCH,      &[Completed],                              &[Packaging],                        WhileHeld::Refused),
    row(Action::Ship,             BENCH,      &[Packaging],                              &[Shipped],                          WhileHeld::Refused),
    row(Action::Deliver,          &[Carrier], &[Shipped],                                &[Closed],                           WhileHeld::Allowed),
    row(Action::Close,            SALES,      &[Shipped],                                &[Closed],                           WhileHeld::Allowed),
    row(Action::Hold,             STAFF,      OPEN,                                      &[],                                 WhileHeld::Refused),
    row(Action::Resume,           STAFF,      OPEN,                                      &[],                                 WhileHeld::Required),
    row(Action::Cancel,           BUYER,      BEFORE_WORK,                               &[Cancelled],                        WhileHeld::Allowed),
    row(Action::Cancel,           SALES,      BEFORE_SHIPPED,                            &[Cancelled],                        WhileHeld::Allowed),
    row(Action::SkipRecords,      &[Admin],   ANY,                                       &[],                                 WhileHeld::Allowed),
    row(Action::Advance,          &[Sandbox], AT_WORK,                                   STEPPED,                             WhileHeld::Refused),
    row(Action::Clock,            &[Sandbox], OPEN,                                      &[],                                 WhileHeld::Allowed),
];

/// What `role` may ask of an order that stands so. (Skipping records is not among it: that is asked of an
/// order that is set aside, of which nobody knows how it stands.)
///
/// # Examples
/// ```
/// use atelier_domain::{Action, Role, Stage, allowed};
/// assert_eq!(allowed(Stage::Ready, false, Role::Customer), [Action::AttachModel, Action::Submit, Action::Cancel]);
/// assert_eq!(allowed(Stage::Closed, false, Role::Admin), []);
/// ```
pub fn allowed(stage: Stage, held: bool, role: Role) -> Vec<Action> {
    let mut actions = Vec::new();
    for row in TABLE.iter().filter(|row| row.permits(stage, held) && row.roles.contains(&role)) {
        if row.action != Action::SkipRecords && !actions.contains(&row.action) {
            actions.push(row.action);
        }
    }
    actions
}

impl Row {
    /// Whether the move is legal for an order that stands so, for whoever the row names.
    pub fn permits(&self, stage: Stage, held: bool) -> bool {
        self.from.contains(&stage)
            && match self.held {
                WhileHeld::Refused => !held,
                WhileHeld::Allowed => true,
                WhileHeld::Required => held,
            }
    }
}
