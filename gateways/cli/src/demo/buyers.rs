//! Customers of the shop, and the partner.

use atelier_pricing::{RingSpec, write_stl};
use serde_json::json;
use uuid::Uuid;

use super::api::{As, Refused};
use super::cast::{Made, Partner, Props};
use super::models::{Models, Wish};
use crate::Failure;

/// One order in so many comes through the partner.
const PARTNER_EVERY: u32 = 5;
/// One customer in so many changes their mind before the price.
const CANCEL_EVERY: u32 = 13;
/// What the table at the end calls them.
pub(super) const BY_PARTNER: &str = "ordered and approved beforehand by the partner";
/// What the partner pays for an order without asking, in EUR.
const MAX_PRICE: &str = "100000.00";

/// One order, from the wish to its submission.
pub(super) async fn buy(props: Props, the_partner: &Partner, models: &Models, number: u32) {
    let wish = models.wish(number);
    let placed = if number % PARTNER_EVERY == PARTNER_EVERY - 1 {
        partner(&props, the_partner, wish, number).await.map_err(|error| format!("partner, order {number}: {error}"))
    } else {
        customer(&props, wish, number).await.map_err(|error| format!("customer, order {number}: {error}"))
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

/// The partner's system: the file, then the order with its terms, under a reference of its own.
async fn partner(props: &Props, partner: &Partner, wish: &Wish, number: u32) -> Result<(), String> {
    let Made { materials, finishes } = &*props.made;
    let one_of = |list: &[String]| list[number as usize % list.len()].clone();
    let as_partner = As::Partner(&partner.key);
    // Partners have no constructor of rings: theirs are files.
    let (content_type, bytes) = match wish {
        Wish::File { content_type, bytes, .. } => (*content_type, bytes.clone()),
        Wish::Ring(spec) => ("model/stl", ring_file(spec).map_err(|error| error.to_string())?),
    };
    let uploaded = props.api.upload(as_partner, content_type, &bytes).await.map_err(|refused| refused.to_string())?;
    let reference = format!("{}-{number}", props.run);
    let order = json!({
        "reference": reference,
        "item": {"material": one_of(materials), "quantity": 1, "finish": one_of(finishes)},
        "model": {"upload_id": uploaded["upload_id"]},
        "terms": {"approve": "at_once", "max_price": {"amount": MAX_PRICE, "currency": "EUR"}},
    });
    // Known before it is there, so that nothing that happens to it is missed.
    props.board.placed(atelier_http::order_id_of(&format!("partner\0{}", partner.name), &reference));
    props.api.post(as_partner, "/partner/v1/orders", &reference, &order).await.map_err(|refused| refused.to_string())?;
    props.board.count(BY_PARTNER);
    Ok(())
}

fn ring_file(spec: &serde_json::Value) -> Result<Vec<u8>, Failure> {
    Ok(write_stl(&RingSpec::from_json(spec.to_string().as_bytes())?.mesh()?))
}
