//! What somebody might ask: mostly what helps an order on, sometimes nonsense.

use atelier_domain::Stage;
use atelier_schemas::{CommandData, Item, Model, Money};
use fastrand::Rng;

use crate::clients::Clients;
use crate::ledger::{Entry, SANDBOX};
use crate::watch::Watch;

/// Most orders of a run.
const ORDERS: usize = 4;

/// A question, before it has an id.
pub(crate) struct Asked {
    pub(crate) order: usize,
    pub(crate) data: CommandData,
    pub(crate) expected_version: Option<i64>,
    pub(crate) dry_run: bool,
}

/// Chooses an order and a command for somebody of this role; `None` when nothing comes to mind.
pub(crate) fn choose(role: &str, clients: &Clients, watch: &Watch, rng: &mut Rng) -> Option<Asked> {
    let begun = clients.orders.len();
    let buyer = matches!(role, "customer" | "partner" | "sandbox");
    if buyer && begun < ORDERS && (begun == 0 || rng.u8(0..10) == 0) {
        return Some(Asked { order: begun, data: create(role, rng), expected_version: None, dry_run: rng.u8(0..20) == 0 });
    }
    if begun == 0 {
        return None;
    }
    let nonsense = rng.u8(0..15) == 0;
    let first = rng.usize(0..begun);
    for step in 0..begun {
        let order = (first + step) % begun;
        let entry = watch.ledger.orders.get(&clients.orders[order]);
        let data = match entry {
            _ if nonsense => Some(anything(order, rng)),
            Some(entry) if !entry.ended() && may_touch(role, entry) => helpful(role, order, entry, rng),
            _ => None,
        };
        let Some(data) = data else { continue };
        let version = entry.map_or(0, |entry| entry.version);
        let expected_version = match rng.u8(0..10) {
            0 | 1 => Some(version),
            2 => Some((version - 1).max(0)),
            _ => None,
        };
        return Some(Asked { order, data, expected_version, dry_run: rng.u8(0..25) == 0 });
    }
    None
}

/// Buyers go by what is theirs; everybody else sees all but sandboxes.
fn may_touch(role: &str, entry: &Entry) -> bool {
    match role {
        "customer" => entry.channel == "shop",
        "partner" => entry.channel == "partner",
        "sandbox" => entry.channel == SANDBOX,
        // Whoever tries all the same is refused, which `nonsense` sees to.
        _ => entry.channel != SANDBOX,
    }
}

fn helpful(role: &str, order: usize, entry: &Entry, rng: &mut Rng) -> Option<CommandData> {
    let reason = || "simulated".to_owned();
    let dice = rng.u8(0..20);
    if entry.held {
        return (matches!(role, "seller" | "operator") && dice < 10).then(|| CommandData::ResumeOrder { reason: reason() });
    }
    Some(match (role, entry.stage) {
        ("seller" | "operator", stage) if dice == 0 && stage != Stage::Shipped => CommandData::HoldOrder { reason: reason() },
        ("sandbox", _) if dice == 1 => CommandData::AdvanceClock { by_ms: rng.i64(1..20 * 24 * 3_600_000) },
        (
            "sandbox",
            Stage::WorkAvailable | Stage::WorkClaimed | Stage::WorkInProgress | Stage::Completed | Stage::Packaging | Stage::Shipped,
        ) => CommandData::AdvanceOrder {},
        ("partner" | "sandbox", Stage::Ready) if dice > 12 => CommandData::SubmitOrderUpTo { price: by_hand(rng) },
        ("partner" | "sandbox", stage) if stage.is_pricing() && dice == 2 => amended(rng),
        ("partner" | "sandbox", Stage::Priced) => match dice {
            1..4 => amended(rng),
            4..6 => CommandData::AcceptQuote { price: by_hand(rng) },
            _ => CommandData::AcceptQuote { price: Money { minor: entry.price_minor.unwrap_or_default(), currency: "EUR".into() } },
        },
        ("customer" | "partner" | "sandbox", Stage::Draft) => CommandData::AttachModel { model: model(rng) },
        ("customer" | "partner" | "sandbox", Stage::Ready) if dice < 3 => CommandData::AttachModel { model: model(rng) },
        ("customer" | "partner" | "sandbox", Stage::Ready) => CommandData::SubmitOrder {},
        ("customer" | "partner" | "sandbox", _) if dice == 0 => CommandData::CancelOrder { reason: reason() },
        ("seller", Stage::Priced) => match dice {
            1 | 2 => CommandData::RepriceOrder { reason: reason() },
            3 | 4 => CommandData::QuoteOrder { price: by_hand(rng), reason: reason() },
            5 => CommandData::RejectOrder { reason: reason() },
            _ => CommandData::ApproveOrder { reason: None },
        },
        ("seller", Stage::PricingFailed | Stage::PricingExpired) => match dice {
            0..12 => CommandData::RepriceOrder { reason: reason() },
            _ => CommandData::QuoteOrder { price: by_hand(rng), reason: reason() },
        },
        ("seller", Stage::Shipped) if dice < 5 => CommandData::CloseOrder { reason: reason() },
        ("operator", Stage::WorkAvailable) => CommandData::ClaimWork {},
        ("operator", Stage::WorkClaimed) if dice < 3 => CommandData::ReleaseWork { reason: reason() },
        ("operator", Stage::WorkClaimed) => CommandData::StartWork {},
        ("operator", Stage::WorkInProgress | Stage::WorkRework) => CommandData::CompleteWork {},
        ("operator", Stage::Completed) if dice < 4 => CommandData::ReworkOrder { defect: "a scratch".into() },
        ("operator", Stage::Completed) => CommandData::PackOrder {},
        ("operator", Stage::Packaging) => CommandData::ShipOrder { carrier: "post".into(), tracking: format!("T{order}") },
        ("carrier", Stage::Shipped) => delivered(order),
        _ => return None,
    })
}

fn anything(order: usize, rng: &mut Rng) -> CommandData {
    let reason = || "out of the blue".to_owned();
    match rng.u8(0..18) {
        0 => CommandData::AttachModel { model: model(rng) },
        1 => CommandData::SubmitOrder {},
        2 => CommandData::ApproveOrder { reason: None },
        3 => CommandData::QuoteOrder { price: by_hand(rng), reason: reason() },
        4 => CommandData::RepriceOrder { reason: reason() },
        5 => CommandData::ClaimWork {},
        6 => CommandData::StartWork {},
        7 => CommandData::CompleteWork {},
        8 => CommandData::PackOrder {},
        9 => CommandData::ResumeOrder { reason: reason() },
        10 => CommandData::CloseOrder { reason: String::new() },
        11 => delivered(order + 1),
        12 => CommandData::CompletePricing { attempt: 1, worker: "nobody".into(), quote: crate::pricing::quote("ab", 100) },
        13 => CommandData::AcceptQuote { price: by_hand(rng) },
        14 => amended(rng),
        15 => CommandData::AdvanceOrder {},
        16 => CommandData::AdvanceClock { by_ms: rng.i64(-5..5) },
        _ => CommandData::ReleaseWork { reason: reason() },
    }
}

/// Another piece, or the same from another model.
fn amended(rng: &mut Rng) -> CommandData {
    let item = Item { material: "gold-585".into(), quantity: rng.i32(1..3), finish: "matte".into() };
    if rng.bool() {
        CommandData::AmendOrder { item: Some(item), model: None }
    } else {
        CommandData::AmendOrder { item: None, model: Some(model(rng)) }
    }
}

fn create(role: &str, rng: &mut Rng) -> CommandData {
    let (channel, client) = if role == "customer" { ("shop", "shop") } else { ("partner", "p1") };
    let finish = ["polished", "matte", "raw", "gilded"][rng.usize(0..4)];
    let finish = if rng.u8(0..8) > 0 { "polished" } else { finish };
    CommandData::CreateOrder {
        channel: channel.into(),
        client: client.into(),
        reference: None,
        customer: None,
        item: Item { material: "silver-925".into(), quantity: rng.i32(1..4), finish: finish.into() },
    }
}

fn model(rng: &mut Rng) -> Model {
    Model { sha256: format!("{:02x}", rng.u8(..)).repeat(32), format: "stl".into(), size_bytes: 84 }
}

fn by_hand(rng: &mut Rng) -> Money {
    Money { minor: rng.i64(1..100_000), currency: "EUR".into() }
}

fn delivered(order: usize) -> CommandData {
    CommandData::DeliverOrder { carrier: "post".into(), tracking: format!("T{order}"), delivered_at: 0 }
}
