//! Accounts on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::atomic::{AtomicU32, Ordering};

use atelier_partners::key::RANDOM_BYTES;
use atelier_partners::{Accounts, Class, Dismissal, Error, Intake, Keeping, LIVE_KEYS_MAX, Mode, Waiting};
use atelier_support::Postgres;

const MINUTE: i64 = 60_000;

struct Bed {
    url: String,
    _folder: Option<tempfile::TempDir>,
}

fn both() -> [Bed; 2] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("partners.sqlite").display());
    let name = format!("accounts{}", NEXT.fetch_add(1, Ordering::Relaxed));
    [Bed { url, _folder: Some(folder) }, Bed { url: Postgres::shared().create_database(&name), _folder: None }]
}

/// Different bytes at each call.
fn random() -> [u8; RANDOM_BYTES] {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let seed = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut bytes = [0; RANDOM_BYTES];
    for (at, byte) in (0_u32..).zip(&mut bytes) {
        *byte = (seed.wrapping_mul(2_654_435_761).rotate_left(at % 32) ^ at.wrapping_mul(97)).to_le_bytes()[0];
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_names_its_partner_until_it_is_revoked() {
    for bed in both() {
        let accounts = Accounts::open(&bed.url).await.unwrap();
        let made = accounts.create_key("acme", Mode::Live, Some(Class::Large), &random(), 7).await.unwrap();
        let text = made.key.reveal();
        // Another process sees it at once, and its end too.
        let other = Accounts::open(&bed.url).await.unwrap();
        let caller = other.recognise(&text, 10).await.unwrap().expect("a live key");
        assert_eq!((caller.partner.as_str(), caller.key_id.as_str(), caller.class), ("acme", made.key.id(), Class::Large));
        let known = accounts.revoke_key("acme", made.key.id(), None, 20).await.unwrap();
        assert_eq!((known.created_at, known.revoked_at), (7, Some(20)));
        assert_eq!(other.recognise(&text, 21).await.unwrap(), None);
        assert_eq!(accounts.revoke_key("acme", made.key.id(), None, 30).await.unwrap().revoked_at, Some(20), "once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_another_secret_is_nobodys() {
    let [bed, _] = both();
    let accounts = Accounts::open(&bed.url).await.unwrap();
    let (mut one, mut other) = (random(), random());
    one[..12].copy_from_slice(&[5; 12]);
    other[..12].copy_from_slice(&[5; 12]);
    let made = accounts.create_key("acme", Mode::Live, None, &one, 0).await.unwrap();
    let forged = atelier_partners::key::Key::new(&other);
    assert_eq!((forged.id(), forged == made.key), (made.key.id(), false));
    assert_eq!(accounts.recognise(&forged.reveal(), 0).await.unwrap(), None);
    for text in ["", "atl_", "x", &made.key.reveal()[..70], made.key.id()] {
        assert_eq!(accounts.recognise(text, 0).await.unwrap(), None, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_live_at_once_and_a_third_is_told_what_to_do() {
    for bed in both() {
        let accounts = Accounts::open(&bed.url).await.unwrap();
        // Many at once: exactly two are made, whoever comes first.
        let asked: Vec<_> = (0..6)
            .map(|_| {
                let accounts = accounts.clone();
                tokio::spawn(async move { accounts.create_key("acme", Mode::Live, None, &random(), 0).await })
            })
            .collect();
        let mut made = Vec::new();
        for asked in asked {
            match asked.await.unwrap() {
                Ok(key) => made.push(key),
                Err(error @ Error::TooManyKeys { .. }) => assert!(error.to_string().contains("revoke one of them first"), "{error}"),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(made.len(), LIVE_KEYS_MAX);
        accounts.create_key("other", Mode::Live, None, &random(), 0).await.unwrap();
        accounts.revoke_key("acme", made[0].key.id(), None, 1).await.unwrap();
        accounts.create_key("acme", Mode::Live, None, &random(), 2).await.unwrap();
        let keys = accounts.keys(Some("acme")).await.unwrap();
        assert_eq!((keys.len(), keys.iter().filter(|key| key.revoked_at.is_none()).count()), (3, 2));
        assert_eq!(accounts.keys(None).await.unwrap().len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_partner_cannot_touch_anothers_key() {
    let [bed, _] = both();
    let accounts = Accounts::open(&bed.url).await.unwrap();
    let made = accounts.create_key("acme", Mode::Live, None, &random(), 0).await.unwrap();
    let error = accounts.revoke_key("other", made.key.id(), None, 1).await.unwrap_err();
    assert!(matches!(error, Error::UnknownKey { .. }), "{error}");
    assert!(accounts.recognise(&made.key.reveal(), 2).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_use_is_noted_to_the_minute() {
    for bed in both() {
        let accounts = Accounts::open(&bed.url).await.unwrap();
        let text = accounts.create_key("acme", Mode::Live, None, &random(), 0).await.unwrap().key.reveal();
        let used = || async { accounts.keys(Some("acme")).await.unwrap()[0].used_at };
        assert_eq!(used().await, None);
        for (now, noted) in [(5 * MINUTE + 1, 5), (5 * MINUTE + 59_999, 5), (6 * MINUTE + 1, 6), (6 * MINUTE + 2, 6), (9 * MINUTE, 9)] {
            accounts.recognise(&text, now).await.unwrap().expect("live");
            assert_eq!(used().await, Some(noted * MINUTE), "at {now}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_short_and_plain() {
    let [bed, _] = both();
    let accounts = Accounts::open(&bed.url).await.unwrap();
    for bad in ["", "Acme", "a b", "a;b", "-a", "1a", "имя", &"a".repeat(41), "a\n"] {
        let error = accounts.create_key(bad, Mode::Live, None, &random(), 0).await.unwrap_err();
        assert!(matches!(error, Error::Name(_)) && error.to_string().contains("lower-case"), "{bad:?}: {error}");
    }
    accounts.create_key(&"a".repeat(40), Mode::Live, None, &random(), 0).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lanes_switch_remembers_every_turn() {
    for bed in both() {
        let accounts = Accounts::open(&bed.url).await.unwrap();
        let untouched = accounts.lane().await.unwrap();
        assert_eq!((untouched.intake, untouched.turn), (Intake::Open, 0));
        accounts.turn_lane(Intake::Paused, "the furnace is cold", "anna", 5).await.unwrap();
        accounts.turn_lane(Intake::Drain, "it is warm again", "boris", 6).await.unwrap();
        let lane = Accounts::open(&bed.url).await.unwrap().lane().await.unwrap();
        assert_eq!((lane.intake, lane.turn, lane.by.as_deref(), lane.at), (Intake::Drain, 2, Some("boris"), Some(6)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_its_partners_for_a_week() {
    const WEEK: i64 = 7 * 24 * 60 * MINUTE;
    for bed in both() {
        let accounts = Accounts::open(&bed.url).await.unwrap();
        let upload = accounts.note_upload("acme", "ab".repeat(32), "stl", 84, 0).await.unwrap();
        assert_eq!(accounts.upload("acme", upload.upload_id, 1).await.unwrap(), Some(upload.clone()));
        assert_eq!(accounts.upload("other", upload.upload_id, 1).await.unwrap(), None);
        assert_eq!(accounts.upload("acme", upload.upload_id, WEEK + 1).await.unwrap(), None);
        let again = accounts.note_upload("acme", "ab".repeat(32), "stl", 84, WEEK + 2).await.unwrap();
        assert_eq!(again.upload_id, upload.upload_id, "the same file has the same id");
        assert_ne!(accounts.note_upload("other", "ab".repeat(32), "stl", 84, 0).await.unwrap().upload_id, upload.upload_id);
        assert!(accounts.upload("acme", upload.upload_id, WEEK + 3).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn keys_of_the_sandbox_are_counted_apart_and_have_limits_of_their_own() {
    for bed in both() {
        let accounts = Accounts::open(&bed.url).await.unwrap();
        for mode in [Mode::Live, Mode::Sandbox] {
            for _ in 0..LIVE_KEYS_MAX {
                accounts.create_key("acme", mode, Some(Class::Large), &random(), 0).await.unwrap();
            }
            let error = accounts.create_key("acme", mode, None, &random(), 0).await.unwrap_err();
            assert!(matches!(error, Error::TooManyKeys { count: LIVE_KEYS_MAX, .. }), "{mode:?}: {error}");
        }
        let keys = accounts.keys(Some("acme")).await.unwrap();
        let of = |mode| keys.iter().filter(|key| key.mode == mode).cloned().collect::<Vec<_>>();
        let (live, sandbox) = (of(Mode::Live), of(Mode::Sandbox));
        assert_eq!((live.len(), sandbox.len()), (LIVE_KEYS_MAX, LIVE_KEYS_MAX));
        // Whoever may touch keys of the sandbox only finds no others.
        let error = accounts.revoke_key("acme", &live[0].key_id, Some(Mode::Sandbox), 5).await.unwrap_err();
        assert!(matches!(error, Error::UnknownKey { .. }), "{error}");
        accounts.revoke_key("acme", &sandbox[0].key_id, Some(Mode::Sandbox), 5).await.unwrap();
        let made = accounts.create_key("acme", Mode::Sandbox, None, &random(), 6).await.unwrap();
        let caller = accounts.recognise(&made.key.reveal(), 7).await.unwrap().expect("a live key");
        assert_eq!((caller.mode, caller.class, caller.partner.as_str()), (Mode::Sandbox, Class::Sandbox, "acme"));
    }
}

#[tokio::test]
async fn a_key_whose_answer_was_lost_is_replaced_by_the_same_request() {
    for bed in both() {
        let accounts = Accounts::open(&bed.url).await.unwrap();
        let in_use = accounts.create_key("acme", Mode::Live, None, &random(), 0).await.unwrap();
        let make = async |request: &str, mode| accounts.create_key_once("acme", mode, request, &random(), 1).await;
        let lost = make("r1", Mode::Live).await.unwrap();
        let got = make("r1", Mode::Live).await.unwrap();
        assert!(accounts.recognise(&lost.key.reveal(), 2).await.unwrap().is_none(), "nobody has it");
        assert!(accounts.recognise(&got.key.reveal(), 2).await.unwrap().is_some());
        for mode in [Mode::Live, Mode::Sandbox] {
            let error = make("r1", mode).await.unwrap_err();
            assert!(matches!(&error, Error::KeyInUse { key_id } if *key_id == got.key.id()), "{error}");
        }
        assert!(matches!(make("r2", Mode::Live).await.unwrap_err(), Error::TooManyKeys { count: 2, .. }));
        assert!(accounts.recognise(&in_use.key.reveal(), 2).await.unwrap().is_some());
        // Once it is revoked the request may make one anew.
        accounts.revoke_key("acme", got.key.id(), None, 3).await.unwrap();
        make("r1", Mode::Live).await.unwrap();
    }
}

#[tokio::test]
async fn messages_about_unknown_parcels_are_kept_once_and_listed_as_they_came() {
    for bed in both() {
        let accounts = Accounts::open(&bed.url).await.unwrap();
        let message = |number: i64| Waiting {
            carrier: "dhl".into(),
            message_id: format!("m{number}"),
            tracking: format!("T{number}"),
            delivered_at: 5,
            received_at: number / 2,
        };
        for number in [3, 1, 2, 0] {
            assert_eq!(accounts.keep_delivery(&message(number)).await.unwrap(), Keeping::Waits);
        }
        // The same message again, later, changes nothing. Another one under its id is not confirmed.
        assert_eq!(accounts.keep_delivery(&Waiting { received_at: 99, ..message(0) }).await.unwrap(), Keeping::Waits);
        for other in [Waiting { tracking: "T9".into(), ..message(0) }, Waiting { delivered_at: 6, ..message(0) }] {
            assert_eq!(accounts.keep_delivery(&other).await.unwrap(), Keeping::Other);
        }
        drop(accounts);
        let accounts = Accounts::open(&bed.url).await.unwrap();
        let first = accounts.waiting_deliveries(None, 3).await.unwrap();
        assert_eq!(first, [message(0), message(1), message(2)]);
        let rest = accounts.waiting_deliveries(first.last().map(Waiting::place), 3).await.unwrap();
        assert_eq!(rest, [message(3)]);
        accounts.forget_delivery("dhl", "m1").await.unwrap();
        accounts.forget_delivery("other", "m2").await.unwrap();
        assert_eq!(accounts.waiting_deliveries(None, 10).await.unwrap(), [message(0), message(2), message(3)]);

        // One is let go: it waits no longer, and who did so and why stays, also when its order has decided meanwhile.
        let first = Dismissal { at: 7, by: "vera".into(), reason: "mistyped".into() };
        let dismissed = accounts.dismiss_delivery("dhl", "m2", first.clone()).await.unwrap();
        assert_eq!(dismissed, Some((message(2), first.clone())));
        let again = Dismissal { at: 8, by: "boris".into(), reason: "too".into() };
        assert_eq!(accounts.dismiss_delivery("dhl", "m2", again.clone()).await.unwrap(), Some((message(2), first.clone())));
        assert_eq!(accounts.dismiss_delivery("other", "m2", again).await.unwrap(), None);
        accounts.forget_delivery("dhl", "m2").await.unwrap();
        assert_eq!(accounts.delivery("dhl", "m2").await.unwrap(), Some((message(2), Some(first))));
        assert_eq!(accounts.delivery("dhl", "m3").await.unwrap(), Some((message(3), None)));
        assert_eq!(accounts.waiting_deliveries(None, 10).await.unwrap(), [message(0), message(3)]);
        assert_eq!(accounts.keep_delivery(&message(2)).await.unwrap(), Keeping::Dismissed);
        assert_eq!(accounts.keep_delivery(&Waiting { tracking: "T9".into(), ..message(2) }).await.unwrap(), Keeping::Other);
    }
}
