//! What partners may do with endpoints, and may not.

use super::bed::{Bed, NOW, On, STEPS, life, order_id};
use crate::{DeliveryFilter, ENDPOINTS_MAX, Refused, Secret, Wish};

fn wish(url: &str) -> Wish {
    Wish { url: Some(url.into()), ..Wish::default() }
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_field() {
    let bed = Bed::new(On::Sqlite, "managing").await;
    for (wish, field) in [
        (Wish::default(), "url"),
        (wish("nonsense"), "url"),
        (wish("https://10.0.0.1/"), "url"),
        (wish("http://169.254.169.254/latest/"), "url"),
        (wish("http://[::ffff:10.0.0.1]/"), "url"),
        (Wish { events: Some(vec!["order.exploded".into()]), ..wish("http://127.0.0.1:9/") }, "events"),
        (Wish { description: Some("x".repeat(201)), ..wish("http://127.0.0.1:9/") }, "description"),
        (Wish { description: Some("a\nb".into()), ..wish("http://127.0.0.1:9/") }, "description"),
    ] {
        match bed.endpoints.create("north", wish.clone()).await {
            Err(Refused::Field { field: at, message, fix }) => {
                assert_eq!(at, field, "{wish:?}");
                assert!(!message.is_empty() && !fix.is_empty());
            }
            other => panic!("{wish:?}: {other:?}"),
        }
    }
    let (id, _) = bed.endpoint("north", &[]).await;
    assert!(matches!(bed.endpoints.update("north", id, wish("http://192.168.1.1/")).await, Err(Refused::Field { .. })));
    assert!(matches!(bed.endpoints.rotate("north", id, Some(-1)).await, Err(Refused::Field { .. })));
    for _ in 1..ENDPOINTS_MAX {
        bed.endpoint("north", &[]).await;
    }
    assert!(matches!(bed.endpoints.create("north", wish("http://127.0.0.1:9/")).await, Err(Refused::TooMany(_))));
    assert_eq!(bed.endpoints.list("north").await.unwrap().len(), ENDPOINTS_MAX as usize);
    assert_eq!(bed.endpoints.list("south").await.unwrap().len(), 0);
}

#[tokio::test]
async fn an_endpoint_is_its_partners_alone() {
    let bed = Bed::new(On::Sqlite, "owning").await;
    let (id, _) = bed.endpoint("north", &[]).await;
    let unknown = |result: Result<(), Refused>| assert!(matches!(result, Err(Refused::Unknown)), "{result:?}");
    unknown(bed.endpoints.get("south", id).await.map(drop));
    unknown(bed.endpoints.update("south", id, Wish::default()).await.map(drop));
    unknown(bed.endpoints.rotate("south", id, None).await.map(drop));
    unknown(bed.endpoints.test("south", id).await.map(drop));
    unknown(bed.endpoints.deliveries("south", id, &DeliveryFilter::default()).await.map(drop));
    unknown(bed.endpoints.resend("south", id, crate::Resend::Since(0)).await.map(drop));
    unknown(bed.endpoints.delete("south", id).await);
    bed.endpoints.get("north", id).await.unwrap();
}

#[tokio::test]
async fn a_rotated_secret_signs_beside_the_new_one_until_its_time_is_over() {
    let bed = Bed::new(On::Sqlite, "rotating").await;
    let (id, old) = bed.endpoint("north", &[]).await;
    for nth in 0..STEPS {
        life("north", 0, nth, bed.now()).iter().for_each(|event| bed.append(event));
    }
    bed.read().await;
    let (endpoint, new) = bed.endpoints.rotate("north", id, Some(3600)).await.unwrap();
    assert!(endpoint.old_secret_until.is_some() && new != old);
    let secrets = async |bed: &Bed| -> Vec<Secret> { bed.dispatcher(1).turn(vec![]).await.unwrap()[0].message.secrets.to_vec() };
    assert_eq!(secrets(&bed).await, [new.clone(), old]);
    bed.advance(3_600_001);
    assert_eq!(secrets(&bed).await, [new]);
    assert_eq!(bed.endpoints.get("north", id).await.unwrap().old_secret_until, None);
    let text = format!("{:?}", bed.endpoints.list("north").await.unwrap());
    assert!(!text.contains("whsec_"), "{text}");
}

#[tokio::test]
async fn a_rotation_whose_answer_was_lost_is_repeated_and_the_secret_in_use_goes_on() {
    let bed = Bed::new(On::Sqlite, "rotating-again").await;
    let (id, in_use) = bed.endpoint("north", &[]).await;
    for nth in 0..STEPS {
        life("north", 0, nth, bed.now()).iter().for_each(|event| bed.append(event));
    }
    bed.read().await;
    let secrets = async |bed: &Bed| -> Vec<Secret> { bed.dispatcher(1).turn(vec![]).await.unwrap()[0].message.secrets.to_vec() };
    let (first, lost) = bed.endpoints.rotate("north", id, Some(3600)).await.unwrap();
    let (second, new) = bed.endpoints.rotate("north", id, Some(7200)).await.unwrap();
    assert!(lost != new && second.old_secret_until == first.old_secret_until, "no longer than was said: {second:?}");
    assert_eq!(secrets(&bed).await, [new.clone(), in_use]);
    // Once its time is over, the one before is the one in use.
    bed.advance(3_600_001);
    let (_, newer) = bed.endpoints.rotate("north", id, Some(60)).await.unwrap();
    assert!(bed.endpoints.get("north", id).await.unwrap().old_secret_until.is_some());
    bed.advance(10_000);
    assert_eq!(secrets(&bed).await, [newer, new]);
    // Of a secret that has leaked nothing stays.
    bed.endpoints.rotate("north", id, Some(0)).await.unwrap();
    assert_eq!(bed.endpoints.get("north", id).await.unwrap().old_secret_until, None);
}

#[tokio::test]
async fn an_endpoint_is_made_once_per_key_and_its_secret_shown_again_for_an_hour() {
    let bed = Bed::new(On::Sqlite, "once").await;
    let make = async |partner: &str, key: &str, url: &str| bed.endpoints.create_once(partner, key, wish(url)).await;
    let made = make("north", "k1", "http://127.0.0.1:9/").await.unwrap();
    assert!(!made.repeated && made.secret.is_some());
    bed.advance(3_599_999);
    let again = make("north", "k1", "http://127.0.0.1:9/").await.unwrap();
    assert_eq!((again.repeated, &again.secret, &again.endpoint), (true, &made.secret, &made.endpoint));
    assert!(matches!(make("north", "k1", "http://127.0.0.1:8/").await, Err(Refused::OtherRequest)));
    bed.advance(1);
    assert_eq!(make("north", "k1", "http://127.0.0.1:9/").await.unwrap().secret, None, "an hour is over");
    // Others, and other keys, make others; what was changed since is still the same request.
    let other = make("north", "k2", "http://127.0.0.1:9/").await.unwrap();
    let south = make("south", "k1", "http://127.0.0.1:9/").await.unwrap();
    assert!(other.endpoint.id != made.endpoint.id && south.endpoint.id != made.endpoint.id);
    bed.endpoints.update("north", other.endpoint.id, wish("http://127.0.0.1:7/")).await.unwrap();
    assert_eq!(make("north", "k2", "http://127.0.0.1:9/").await.unwrap().endpoint.url, "http://127.0.0.1:7/");
    // Another secret has taken its place: this answer was not lost.
    bed.endpoints.rotate("north", other.endpoint.id, None).await.unwrap();
    assert_eq!(make("north", "k2", "http://127.0.0.1:9/").await.unwrap().secret, None);
    assert_eq!(bed.endpoints.list("north").await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_log_comes_in_pages() {
    let bed = Bed::new(On::Sqlite, "paging").await;
    let (id, _) = bed.endpoint("north", &[]).await;
    for number in 0..3 {
        for nth in 0..STEPS {
            bed.advance(1);
            life("north", number, nth, bed.now()).iter().for_each(|event| bed.append(event));
        }
    }
    bed.read().await;
    let mut filter = DeliveryFilter { limit: Some(7), ..DeliveryFilter::default() };
    let mut seen = Vec::new();
    loop {
        let page = bed.endpoints.deliveries("north", id, &filter).await.unwrap();
        seen.extend(page.items.into_iter().map(|delivery| (delivery.order_id, delivery.sequence)));
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 3 * STEPS);
    for number in 0..3 {
        let order: Vec<i64> = seen.iter().filter(|(order, _)| *order == order_id(number)).map(|(_, sequence)| *sequence).collect();
        assert!(order.iter().rev().eq(&(1..=STEPS as i64).collect::<Vec<_>>()), "the latest first, each once: {order:?}");
    }
    for cursor in ["x", "1_x", "_", "é"] {
        let filter = DeliveryFilter { cursor: Some(cursor.into()), ..DeliveryFilter::default() };
        assert!(matches!(bed.endpoints.deliveries("north", id, &filter).await, Err(Refused::BadCursor)), "{cursor}");
    }
}

#[tokio::test]
async fn an_endpoint_gets_what_happens_from_its_time_on_also_where_reading_is_behind() {
    let bed = Bed::new(On::Sqlite, "from").await;
    let place = |number| life("north", number, 0, NOW).iter().for_each(|event| bed.append(event));
    place(0);
    let (id, _) = bed.endpoint("north", &["order.created"]).await;
    place(1);
    // Other types from now on; what was wanted before and is not read yet is not lost by that.
    let wish = Wish { events: Some(vec![]), ..Wish::default() };
    bed.endpoints.update("north", id, wish).await.unwrap();
    place(2);
    bed.read().await;
    let log = bed.endpoints.deliveries("north", id, &DeliveryFilter::default()).await.unwrap();
    let mut orders: Vec<_> = log.items.iter().map(|delivery| delivery.order_id).collect();
    orders.sort_unstable();
    let mut expected = [order_id(1), order_id(2)];
    expected.sort_unstable();
    assert_eq!(orders, expected);
}
