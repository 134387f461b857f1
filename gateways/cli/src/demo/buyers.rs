//! Customers of the shop, and the partner.

use std::time::Duration;

use atelier_blobs::Blobs;
use atelier_log::client::{Answer, Client};
use atelier_schemas::{Actor, Command, CommandData, Item, Model, OutcomeResult};
use serde_json::json;
use uuid::Uuid;

use super::api::{As, Refused};
use super::cast::{Back, Made, Props};
use super::models::{Models, Wish};
use crate::wiring;

/// One order in so many comes through the partner.
const PARTNER_EVERY: u32 = 5;
/// One customer in so many changes their mind before the price.
const CANCEL_EVERY: u32 = 13;
const DECIDE: Duration = Duration::from_secs(20);
/// Tries of one command while the log cannot be reached.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// One order, from the wish to its submission.
pub(super) async fn buy(props: Props, back: Option<&Back>, models: &Models, number: u32) {
    let wish = models.wish(number);
    let placed = match back.filter(|_| number % PARTNER_EVERY == PARTNER_EVERY - 1) {
        Some(back) => partner(&props, back, wish, number).await.map_err(|error| format!("partner, order {number}: {error}")),
        None => customer(&props, wish, number).await.map_err(|error| format!("customer, order {number}: {error}")),
    };
    match placed {
        Ok(()) => props.board.count("orders placed"),
        Err(trouble) => {
            props.board.trouble(trouble);
            props.board.lock().not_placed += 1;
        }
    }
}

async fn customer(props: &Props, wish: &Wish, number: u32) -> Result<(), Refused> {
    let mut random = fastrand::Rng::with_seed(props.seed ^ u64::from(number) << 20);
    let key = format!("{}-{number}", props.run);
    let body = json!({
        "customer": {"name": format!("Customer {number}"), "email": format!("customer{number}@example.org")},
        "item": {"material": random.choice(&props.made.materials), "quantity": random.u32(1..=2), "finish": random.choice(&props.made.finishes)},
    });
    let created = props.api.post(As::Customer, "/shop/v1/orders", &key, &body).await?;
    let id: Uuid = created["order_id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default();
    props.board.placed(id);
    let order = format!("/shop/v1/orders/{id}");
    match wish {
        Wish::File { content_type, bytes, name } => {
            tracing::debug!(order.id = %id, name, "uploading");
            props.api.put_model(&format!("{order}/model"), &format!("{key}-model"), content_type, bytes).await?;
        }
        Wish::Ring(spec) => {
            props.api.post(As::Customer, &format!("{order}/model/ring"), &format!("{key}-model"), spec).await?;
        }
    }
    if number % CANCEL_EVERY == CANCEL_EVERY - 1 {
        let why = json!({"reason": "changed my mind"});
        props.api.post(As::Customer, &format!("{order}/cancel"), &format!("{key}-cancel"), &why).await?;
        props.board.count("cancelled by the customer");
        return Ok(());
    }
    props.api.post(As::Customer, &format!("{order}/submit"), &format!("{key}-submit"), &json!({})).await?;
    Ok(())
}

/// The partner's orders come through the log the way its gateway will send them.
async fn partner(props: &Props, back: &Back, wish: &Wish, number: u32) -> Result<(), String> {
    let key = format!("{}-{number}", props.run);
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("demo-partner\0{key}").as_bytes());
    let Made { materials, finishes } = &*props.made;
    let one_of = |list: &[String]| list[number as usize % list.len()].clone();
    let item = Item { material: one_of(materials), quantity: 1, finish: one_of(finishes) };
    let create = CommandData::CreateOrder {
        channel: "partner".into(),
        client: "demo-partner".into(),
        reference: Some(format!("P-{number}")),
        customer: None,
        item,
    };
    send(&back.client, id, "create", create).await?;
    props.board.placed(id);
    let model = upload(&back.blobs, wish).await?;
    send(&back.client, id, "model", CommandData::AttachModel { model }).await?;
    send(&back.client, id, "submit", CommandData::SubmitOrder {}).await
}

async fn upload(blobs: &Blobs, wish: &Wish) -> Result<Model, String> {
    let (bytes, format) = match wish {
        Wish::File { bytes, content_type, .. } => (bytes.clone(), content_type.trim_start_matches("model/")),
        Wish::Ring(spec) => (spec.to_string().into_bytes(), "ring"),
    };
    let stored = blobs.put(bytes.into()).await.map_err(|error| error.to_string())?;
    Ok(Model { sha256: stored.sha256, format: format.into(), size_bytes: i64::try_from(stored.size_bytes).unwrap_or(i64::MAX) })
}

async fn send(client: &Client, order_id: Uuid, step: &str, data: CommandData) -> Result<(), String> {
    let actor = Actor { role: "partner".into(), name: "demo-partner".into() };
    let command = Command::new(Uuid::new_v5(&order_id, step.as_bytes()), order_id, (wiring::clock())(), actor, data);
    let mut tries = 0;
    loop {
        tries += 1;
        match client.send(&command, DECIDE).await {
            Ok(Answer::Decided(outcome)) => {
                return match outcome.result {
                    OutcomeResult::Accepted { .. } => Ok(()),
                    OutcomeResult::Refused { detail, .. } => Err(detail),
                };
            }
            // Durable: the same command again gets the same answer.
            Ok(Answer::Undecided) => {}
            // Nothing was written, or nobody knows: the command's id makes it the same command again.
            Err(atelier_log::Error::Unavailable(_)) if tries < TRIES => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.to_string()),
        }
    }
}
