//! A store of the release before: a row for each message and endpoint.

use atelier_store::{Durability, Schema, Store};
use uuid::Uuid;

use super::bed::{Bed, NOW, On, database};
use super::lanes::answered;
use crate::{DeliveryFilter, DeliveryState, Resend};

const BEFORE: Schema = Schema {
    name: "webhook",
    migrations: &[("webhooks/1", include_str!("../migration.sql")), ("webhooks/2", include_str!("../migration-2.sql"))],
    durability: Durability::Kept,
};

const ENDPOINT: &str = "INSERT INTO webhook_endpoints (endpoint_id, partner, url, events, events_from, description, secret, enabled, \
    created_at, failures, opened, ready_at) VALUES ($1, 'north', 'http://127.0.0.1:9/', '', '0 0 0', '', \
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 1, 5, 0, 0, 0)";
const DELIVERY: &str = "INSERT INTO webhook_deliveries (endpoint_id, order_id, sequence, event_id, event_type, body, event_at, state, \
    attempts, settled_at) VALUES ($1, $2, $3, $4, 'order.held', $5, $6, $7, 1, $8)";
const HEAD: &str = "INSERT INTO webhook_heads (endpoint_id, order_id, sequence, last_sequence, next_at, attempts, since) \
    VALUES ($1, $2, 2, 3, 0, 0, 5)";

/// One order, three messages, two endpoints: at one all have arrived, at the other only the first.
async fn filled(url: &str, endpoints: [Uuid; 2], order: Uuid) {
    let store = Store::open(url, &BEFORE).await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for (at, endpoint) in endpoints.into_iter().enumerate() {
        transaction.execute(ENDPOINT, [endpoint.into()]).await.unwrap();
        for sequence in 1..=3_i64 {
            let body = format!(r#"{{"data":{{"sequence":{sequence},"previous_sequence":{},"link":""}}}}"#, sequence - 1);
            let arrived = at == 0 || sequence == 1;
            let event = Uuid::from_u128(sequence.unsigned_abs().into());
            let settled = arrived.then_some(NOW);
            let values = [
                endpoint.into(),
                order.into(),
                sequence.into(),
                event.into(),
                body.as_str().into(),
                (NOW + sequence).into(),
                i64::from(arrived).into(),
                settled.into(),
            ];
            transaction.execute(DELIVERY, values).await.unwrap();
        }
    }
    transaction.execute(HEAD, [endpoints[1].into(), order.into()]).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn what_the_release_before_has_kept_is_there_and_goes_on() {
    for on in [On::Sqlite, On::Postgres] {
        let (url, folder) = database(on, "migrated");
        let (endpoints, order) = ([Uuid::from_u128(8), Uuid::from_u128(9)], Uuid::from_u128(7));
        filled(&url, endpoints, order).await;
        let bed = Bed::over(&url, folder).await;
        let states = async |endpoint| -> Vec<(i64, DeliveryState)> {
            let log = bed.endpoints.deliveries("north", endpoint, &DeliveryFilter::default()).await.unwrap();
            log.items.into_iter().map(|delivery| (delivery.sequence, delivery.state)).collect()
        };
        let (delivered, pending) = (DeliveryState::Delivered, DeliveryState::Pending);
        assert_eq!(states(endpoints[0]).await, [(3, delivered), (2, delivered), (1, delivered)], "{on:?}");
        assert_eq!(states(endpoints[1]).await, [(3, pending), (2, pending), (1, delivered)], "{on:?}");
        let mut worker = bed.dispatcher(1);
        for sequence in [2, 3] {
            let starts = worker.turn(vec![]).await.unwrap();
            assert_eq!(
                starts.iter().map(|start| (start.key.endpoint_id, start.key.sequence)).collect::<Vec<_>>(),
                [(endpoints[1], sequence)]
            );
            assert!(worker.turn(vec![answered(&starts[0], 500)]).await.unwrap().is_empty());
            bed.advance(10_000);
            worker.forget();
            bed.advance(10_000);
            let again = worker.turn(vec![]).await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&again[0].message.body).unwrap();
            assert_eq!(body["data"]["previous_sequence"], sequence - 1);
            assert_eq!(worker.turn(vec![answered(&again[0], 200)]).await.unwrap().len(), usize::from(sequence == 2));
            worker.forget();
            bed.advance(10_000);
        }
        assert_eq!(states(endpoints[1]).await, [(3, delivered), (2, delivered), (1, delivered)], "{on:?}");
        assert_eq!(bed.endpoints.resend("north", endpoints[0], Resend::Since(NOW + 2)).await.unwrap(), 2);
    }
}
