//! How an event changes the queue.

use atelier_domain::Stage;
use atelier_schemas::{Event, EventData};
use atelier_store::{Row, Table, Value};
use uuid::Uuid;

use super::row::{ITEMS, ItemRow};
use crate::runner::{EventModel, New, Place};
use crate::{Error, Model, SANDBOX};

/// The read model.
pub(crate) struct Queue;

/// What the works call a stage; `None` when the order is not there. A stage without a row here does
/// not compile.
#[rustfmt::skip]
pub(crate) fn work(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::WorkAvailable  => Some("available"),
        Stage::WorkClaimed    => Some("claimed"),
        Stage::WorkInProgress => Some("in_progress"),
        Stage::WorkRework     => Some("rework"),
        Stage::Completed      => Some("completed"),
        Stage::Packaging      => Some("packed"),
        Stage::Draft | Stage::Ready | Stage::PricingRequested | Stage::PricingAccepted | Stage::PricingRunning | Stage::PricingFailed
        | Stage::PricingExpired | Stage::Priced | Stage::Shipped | Stage::Closed | Stage::Cancelled => None,
    }
}

impl EventModel for Queue {
    const MODEL: Model = Model::Queue;
    type Row = ItemRow;
    type Extra = ();

    fn table() -> &'static Table {
        &ITEMS
    }

    fn read(row: &Row) -> Result<(Uuid, ItemRow), Error> {
        let row = ItemRow::read(row)?;
        Ok((row.order_id, row))
    }

    fn write(row: &ItemRow) -> Vec<Value> {
        row.write()
    }

    fn version(row: &ItemRow) -> i64 {
        row.version
    }

    fn create(new: &New<'_>) -> Option<ItemRow> {
        Some(ItemRow {
            order_id: new.order_id,
            version: 0,
            status: String::new(),
            stage: String::new(),
            work: None,
            holder: None,
            material: new.item.material.clone(),
            quantity: new.item.quantity.into(),
            finish: new.item.finish.clone(),
            model_sha256: None,
            held: false,
            due_at: None,
            rank_at: new.time,
            created_at: new.time,
            sandbox: new.channel == SANDBOX,
        })
    }

    fn evolve(row: &mut ItemRow, event: &Event, _: Place, (): &mut ()) {
        row.version = event.version;
        row.status.clone_from(&event.after.status);
        row.stage.clone_from(&event.after.stage);
        row.held = event.after.held;
        row.due_at = event.after.due;
        // A step without a deadline (on hold, say) keeps the order's place in the queue.
        row.rank_at = event.after.due.unwrap_or(row.rank_at);
        // What is never made never comes to the works.
        row.work = event.after.stage.parse().ok().and_then(work).filter(|_| !row.sandbox).map(ToOwned::to_owned);
        match &event.data {
            EventData::ModelAttached { model } => row.model_sha256 = Some(model.sha256.clone()),
            EventData::OrderAmended { item, model } => {
                if let Some(item) = item {
                    row.material.clone_from(&item.material);
                    row.quantity = item.quantity.into();
                    row.finish.clone_from(&item.finish);
                }
                row.model_sha256 = model.as_ref().map(|model| model.sha256.clone()).or(row.model_sha256.take());
            }
            // Not who started it: an administrator may, and the piece stays with who has claimed it.
            EventData::WorkClaimed { operator } | EventData::ReworkOrdered { operator, .. } => {
                row.holder = Some(operator.clone());
            }
            _ => {}
        }
        if !matches!(row.work.as_deref(), Some("claimed" | "in_progress" | "rework")) {
            row.holder = None;
        }
    }
}
