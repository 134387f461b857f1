//! Commands, as they come in.

use atelier_domain::{Channel, Command, Item, Model};
use atelier_schemas::{self as wire, CommandData};

use super::values::{customer_from, item_from, model_from, money_from, quote_from};

/// A command that says something no domain value can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untranslatable {
    /// Path of the field in the request.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
    /// How to mend it.
    pub fix: &'static str,
}

/// What is asked, in the domain's terms.
///
/// # Errors
/// [`Untranslatable`] names the field that has no legal value.
pub fn command(data: CommandData) -> Result<Command, Untranslatable> {
    Ok(match data {
        CommandData::CreateOrder { channel, client, reference, customer, item } => Command::CreateOrder {
            channel: channel_from(&channel).ok_or_else(|| Untranslatable {
                field: "channel",
                message: format!("{channel:?} is not a channel"),
                fix: "use shop or partner",
            })?,
            client,
            reference,
            customer: customer.map(customer_from),
            item: makeable(item)?,
        },
        CommandData::AttachModel { model } => Command::AttachModel { model: readable(model)? },
        CommandData::SubmitOrder {} => Command::SubmitOrder,
        CommandData::AcceptPricing { attempt, worker } => Command::AcceptPricing { attempt: number(attempt)?, worker },
        CommandData::HeartbeatPricing { attempt, worker, progress_percent } => Command::HeartbeatPricing {
            attempt: number(attempt)?,
            worker,
            progress_percent: u8::try_from(progress_percent).unwrap_or(0).min(100),
        },
        CommandData::CompletePricing { attempt, worker, quote } => {
            Command::CompletePricing { attempt: number(attempt)?, worker, quote: quote_from(quote) }
        }
        CommandData::FailPricing { attempt, worker, failure, detail, retryable } => {
            Command::FailPricing { attempt: number(attempt)?, worker, failure, detail, retryable }
        }
        CommandData::ApproveOrder { reason } => Command::ApproveOrder { reason },
        CommandData::RejectOrder { reason } => Command::RejectOrder { reason },
        CommandData::QuoteOrder { price, reason } => Command::QuoteOrder { price: money_from(price), reason },
        CommandData::RepriceOrder { reason } => Command::RepriceOrder { reason },
        CommandData::HoldOrder { reason } => Command::HoldOrder { reason },
        CommandData::ResumeOrder { reason } => Command::ResumeOrder { reason },
        CommandData::CancelOrder { reason } => Command::CancelOrder { reason },
        CommandData::CloseOrder { reason } => Command::CloseOrder { reason },
        CommandData::ClaimWork {} => Command::ClaimWork,
        CommandData::StartWork {} => Command::StartWork,
        CommandData::CompleteWork {} => Command::CompleteWork,
        CommandData::ReworkOrder { defect } => Command::ReworkOrder { defect },
        CommandData::ReleaseWork { reason } => Command::ReleaseWork { reason },
        CommandData::PackOrder {} => Command::PackOrder,
        CommandData::ShipOrder { carrier, tracking } => Command::ShipOrder { carrier, tracking },
        CommandData::DeliverOrder { carrier, tracking, delivered_at } => Command::DeliverOrder { carrier, tracking, delivered_at },
        CommandData::SubmitOrderUpTo { price } => Command::SubmitOrderUpTo { price: money_from(price) },
        CommandData::AcceptQuote { price } => Command::AcceptQuote { price: money_from(price) },
        CommandData::AmendOrder { item, model } => {
            Command::AmendOrder { item: item.map(makeable).transpose()?, model: model.map(readable).transpose()? }
        }
        CommandData::SkipRecords { offsets, reason } => {
            let negative = |_| Untranslatable {
                field: "offsets",
                message: format!("{offsets:?} are not all offsets"),
                fix: "name the records that cannot be read by their offsets",
            };
            let offsets = offsets.iter().map(|offset| u64::try_from(*offset)).collect::<Result<_, _>>().map_err(negative)?;
            Command::SkipRecords { offsets, reason }
        }
        CommandData::AdvanceOrder {} => Command::AdvanceOrder,
        CommandData::AdvanceClock { by_ms } => Command::AdvanceClock { by_ms },
    })
}

pub(super) fn channel_from(text: &str) -> Option<Channel> {
    [Channel::Shop, Channel::Partner].into_iter().find(|channel| channel.as_str() == text)
}

fn makeable(item: wire::Item) -> Result<Item, Untranslatable> {
    let quantity = item.quantity;
    item_from(item).ok_or_else(|| Untranslatable {
        field: "item.quantity",
        message: format!("{quantity} is not possible"),
        fix: "order at least 1 piece",
    })
}

fn readable(model: wire::Model) -> Result<Model, Untranslatable> {
    let size = model.size_bytes;
    let wrong = || match size {
        ..0 => Untranslatable { field: "model.size_bytes", message: format!("{size} is not a size"), fix: "give the length of the bytes" },
        _ => Untranslatable {
            field: "model.sha256",
            message: "is not a SHA-256".into(),
            fix: "give the hash of the bytes as 64 lower-case hexadecimal digits",
        },
    };
    model_from(model).ok_or_else(wrong)
}

fn number(attempt: i32) -> Result<u32, Untranslatable> {
    u32::try_from(attempt).map_err(|_| Untranslatable {
        field: "attempt",
        message: format!("{attempt} is not an attempt"),
        fix: "give the attempt of the job, 1 or more",
    })
}
