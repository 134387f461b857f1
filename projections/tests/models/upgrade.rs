//! A database of an earlier program, with rows in it, becomes one of today's.

use std::time::Duration;

use atelier_log::Log;
use atelier_log::memory::Memory;
use atelier_projections::FeedCursor;
use atelier_schemas::Topic;
use atelier_store::{Durability, Schema};

use crate::bed::{Bed, assert_same, run_through};
use crate::script::{append_all, many};

/// As it was before the feed had positions, the ledger knew of silent engines, and partners' orders said what is made.
const BEFORE: Schema = Schema {
    name: "projection",
    migrations: &[
        ("store/1", include_str!("../../src/store/migration.sql")),
        ("shop/1", include_str!("../../src/shop/migration.sql")),
        ("queue/1", include_str!("../../src/queue/migration.sql")),
        ("crm/1", include_str!("../../src/crm/migration.sql")),
        ("partner/1", include_str!("../../src/partner/migration.sql")),
        ("outcomes/1", include_str!("../../src/outcomes/migration.sql")),
        ("gaps/1", include_str!("../../src/gaps/migration.sql")),
        ("feed/1", include_str!("../../src/feed/migration.sql")),
        ("partner/2", include_str!("../../src/partner/migration-2.sql")),
    ],
    durability: Durability::Rebuilt,
};

/// Two partitions of a feed, of which the first entry is the first record of its partition; a ledger with an order, a gap
/// of it, and an order set aside; an order of a partner.
const ROWS: &str = "
    INSERT INTO feed_entries
        (log_partition, log_offset, partner, event_id, order_id, type, status, held, version, previous_version, sequence, at)
    VALUES
        (0, 0, 'acme', '00000000-0000-4000-8000-000000000001', 'aaaaaaaa-0000-4000-8000-000000000000', 'order.created', 'INITIATED',
            0, 1, 0, 1, 1000),
        (1, 0, 'acme', '00000000-0000-4000-8000-000000000002', 'bbbbbbbb-0000-4000-8000-000000000000', 'order.created', 'INITIATED',
            0, 1, 0, 1, 1001),
        (0, 1, 'acme', '00000000-0000-4000-8000-000000000003', 'aaaaaaaa-0000-4000-8000-000000000000', 'order.held', 'INITIATED',
            1, 2, 1, 2, 1002);
    INSERT INTO gap_orders
        (order_id, version, channel, status, stage, held, since_at, failures, last_type, last_version, last_at, open)
    VALUES
        ('aaaaaaaa-0000-4000-8000-000000000000', 2, 'partner', 'INITIATED', 'draft', 1, 1000, 0, 'OrderHeld', 2, 1002, '[]');
    INSERT INTO gaps
        (gap_id, order_id, cause, version, channel, status, stage, held, since_at, expected_at, failures, last_type, last_version,
            last_at, opened_at)
    VALUES
        ('00000000-0000-4000-8000-000000000004', 'aaaaaaaa-0000-4000-8000-000000000000', 'waiting_for_buyer', 2, 'partner', 'INITIATED',
            'draft', 1, 1000, 2000, 0, 'OrderHeld', 2, 1002, 2000);
    INSERT INTO partner_orders (order_id, partner, version, seen_version, previous_version, status, stage, held, created_at, updated_at)
    VALUES ('aaaaaaaa-0000-4000-8000-000000000000', 'acme', 2, 2, 1, 'INITIATED', 'draft', 1, 1000, 1002);
    INSERT INTO parked (record_key, model, log_partition, log_offset, reason, parked_at, skipped)
    VALUES ('cccccccc-0000-4000-8000-000000000000', 'gaps', 0, 2, 'no Avro frame', 1003, 0)";

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_is_told_to_its_first_entry_and_the_ledger_and_partners_orders_come_back_from_the_log() {
    for bed in Bed::both() {
        let log = Memory::new(2);
        append_all(&log, &many(60)).await;
        drop(atelier_store::Store::open(&bed.url, &BEFORE).await.unwrap());
        bed.sql(ROWS).await;
        for partition in 0..log.partitions() {
            let end = log.end(Topic::Events, partition).unwrap();
            // The feed is as far as the log; the others were, too.
            for model in ["feed", "gaps", "partner"] {
                bed.sql(&format!("INSERT INTO offsets (model, log_partition, next) VALUES ('{model}', {partition}, {end})")).await;
            }
        }
        let store = bed.store().await;
        run_through(&store, &log).await;

        let (entries, cursor) = store.queries().feed("acme", &FeedCursor::default(), 10, Duration::ZERO).await.unwrap();
        let told: Vec<_> = entries.iter().map(|entry| (entry.event_id.as_u128() & 0xff, entry.sequence)).collect();
        assert_eq!(told, [(1, 1), (2, 1), (3, 2)], "{}", bed.name);
        assert_eq!(store.queries().feed("acme", &cursor, 10, Duration::ZERO).await.unwrap().0, []);

        let anew = Bed::sqlite();
        run_through(&anew.store().await, &log).await;
        let mut wanted = anew.dump().await;
        wanted.retain(|table, _| table.starts_with("gap") || ["partner_orders", "parked", "offsets"].contains(table));
        assert!(wanted["gaps"].len() > 5 && wanted["partner_orders"].len() == 20 && wanted["gap_partitions"].len() == 2, "{wanted:?}");
        assert_same(&bed.dump().await, &wanted, bed.name);
    }
}
