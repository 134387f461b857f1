//! The straight way from the shop to the customer, and the table behind it.

use std::collections::BTreeSet;

use crate::table::TABLE;
use crate::testing::{Scenario, ring_model};
use crate::{Action, Command, Event, Role, Stage, Status};

fn shipped() -> Scenario {
    Scenario::priced()
        .when(Role::Seller, Command::ApproveOrder { reason: None })
        .then_status(Status::ManufacturingApproved)
        .when(Role::Operator, Command::ClaimWork)
        .then_status(Status::ManufacturingApproved)
        .when(Role::Operator, Command::StartWork)
        .then_status(Status::ManufacturingStarted)
        .when(Role::Operator, Command::CompleteWork)
        .then_status(Status::ManufacturingCompleted)
        .when(Role::Operator, Command::PackOrder)
        .then_status(Status::Packaging)
        .when(Role::Operator, Command::ShipOrder { carrier: "dhl".into(), tracking: "P1".into() })
        .then_status(Status::Shipped)
}

#[test]
fn an_order_walks_from_the_shop_to_its_delivery() {
    let delivered = Command::DeliverOrder { carrier: "dhl".into(), tracking: "P1".into(), delivered_at: 5 };
    let closed = shipped().when(Role::Carrier, delivered).then_status(Status::Closed);
    let order = closed.order.as_ref().unwrap();
    assert_eq!(order.version, closed.events.len() as u64);
    assert!(matches!(closed.events.last(), Some((Event::OrderClosed { .. }, _))));
}

#[test]
fn a_seller_closes_by_hand_with_a_reason() {
    shipped()
        .when(Role::Seller, Command::CloseOrder { reason: " ".into() })
        .then_rejected("invalid")
        .when(Role::Seller, Command::CloseOrder { reason: "picked up".into() })
        .then_status(Status::Closed);
}

#[test]
fn rework_goes_back_to_the_bench_also_from_packaging() {
    let packed = Scenario::priced()
        .when(Role::Seller, Command::ApproveOrder { reason: None })
        .when(Role::Operator, Command::ClaimWork)
        .when(Role::Operator, Command::StartWork)
        .when(Role::Operator, Command::CompleteWork)
        .when(Role::Operator, Command::PackOrder);
    packed
        .when(Role::Operator, Command::ReworkOrder { defect: "scratch".into() })
        .then_status(Status::ManufacturingStarted)
        .when(Role::Operator, Command::CompleteWork)
        .then_status(Status::ManufacturingCompleted);
}

#[test]
fn the_model_may_be_replaced_until_the_order_is_submitted() {
    Scenario::created()
        .when(Role::Customer, Command::AttachModel { model: ring_model() })
        .when(Role::Customer, Command::AttachModel { model: ring_model() })
        .then_status(Status::FileUploaded)
        .when(Role::Customer, Command::SubmitOrder)
        .when(Role::Customer, Command::AttachModel { model: ring_model() })
        .then_rejected("not_allowed");
}

/// The stages that can be reached by rows of the table and by deadlines, from `start`.
fn reachable(start: Stage) -> BTreeSet<Stage> {
    let mut known = BTreeSet::from([start]);
    loop {
        let mut next = known.clone();
        for stage in &known {
            for row in TABLE.iter().filter(|row| row.from.contains(stage)) {
                next.extend(row.to);
            }
            if matches!(stage, Stage::PricingRequested | Stage::PricingAccepted | Stage::PricingRunning) {
                next.extend([Stage::PricingExpired, Stage::PricingRequested]);
            }
            if *stage == Stage::WorkClaimed {
                next.insert(Stage::WorkAvailable);
            }
        }
        if next == known {
            return known;
        }
        known = next;
    }
}

#[test]
fn every_stage_and_so_every_status_is_reachable() {
    assert_eq!(reachable(Stage::Draft), BTreeSet::from(Stage::ALL));
    let statuses: BTreeSet<_> = Stage::ALL.into_iter().map(Stage::status).collect();
    assert_eq!(statuses, BTreeSet::from(Status::ALL));
}

#[test]
fn no_stage_is_a_trap() {
    for stage in Stage::ALL {
        let ends = reachable(stage);
        assert!(ends.iter().any(|stage| stage.status().is_final()), "{stage} never ends");
        // Skipping records leads nowhere, from anywhere.
        let moves = TABLE.iter().any(|row| row.from.contains(&stage) && row.action != Action::SkipRecords);
        assert_eq!(moves, !stage.status().is_final(), "{stage}");
    }
}

#[test]
fn names_lead_back_to_what_they_name() {
    for status in Status::ALL {
        assert_eq!(status.as_str().parse(), Ok(status));
    }
    for stage in Stage::ALL {
        assert_eq!(stage.as_str().parse(), Ok(stage));
    }
    for role in Role::ALL {
        assert_eq!(role.as_str().parse(), Ok(role));
    }
    assert!("LOST".parse::<Status>().is_err());
}
