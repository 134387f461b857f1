//! Where a test lies: a database of its own, runners on it, and a dump of all that is in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use atelier_log::Log;
use atelier_log::memory::Memory;
use atelier_projections::{Metrics, Model, Runner, RunnerHandle, Store};
use atelier_schemas::Topic;
use atelier_support::Postgres;
use sqlx::{AnyConnection, Column, Connection, Row};

/// Long enough for anything that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

#[rustfmt::skip]
const TABLES: &[&str] = &[
    "offsets", "parked", "shop_orders", "shop_timeline", "queue_items", "crm_orders", "crm_counts", "partner_orders", "feed_orders",
    "feed_entries", "gap_orders", "gap_partitions", "gaps", "outcomes", "outcome_partitions",
];

/// A database of one test.
pub(crate) struct Bed {
    pub(crate) url: String,
    pub(crate) name: &'static str,
    _folder: Option<tempfile::TempDir>,
}

impl Bed {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("new folder/read models.sqlite").display());
        Self { url, name: "sqlite", _folder: Some(folder) }
    }

    pub(crate) fn postgres() -> Self {
        Self::postgres_on(Postgres::shared())
    }

    pub(crate) fn postgres_on(server: &Postgres) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bed{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self { url: server.create_database(&name), name: "postgres", _folder: None }
    }

    /// One of each.
    pub(crate) fn both() -> [Self; 2] {
        [Self::sqlite(), Self::postgres()]
    }

    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.url).await.expect("the store opens")
    }

    pub(crate) async fn connection(&self) -> AnyConnection {
        let url = self.url.replace(' ', "%20");
        AnyConnection::connect(&url).await.expect("a connection of the test's own")
    }

    pub(crate) async fn sql(&self, sql: &str) {
        let mut connection = self.connection().await;
        sqlx::raw_sql(sql).execute(&mut connection).await.expect(sql);
        connection.close().await.expect("closed");
    }

    /// All rows of all tables as text, in the order of their keys.
    pub(crate) async fn dump(&self) -> BTreeMap<&'static str, Vec<String>> {
        let mut connection = self.connection().await;
        let mut dump = BTreeMap::new();
        for table in TABLES {
            let rows = sqlx::query(&format!("SELECT * FROM {table}")).fetch_all(&mut connection).await.expect(table);
            let mut lines: Vec<String> = rows
                .iter()
                .map(|row| {
                    // Where an entry of the feed stands depends on when it was written.
                    let cells = row.columns().iter().filter(|column| column.name() != "position").map(|column| {
                        let at = column.ordinal();
                        let value = match row.try_get::<Option<i64>, _>(at) {
                            Ok(int) => format!("{int:?}"),
                            Err(_) => format!("{:?}", row.try_get::<Option<String>, _>(at).expect("text or a number")),
                        };
                        format!("{}={value}", column.name())
                    });
                    cells.collect::<Vec<_>>().join(" ")
                })
                .collect();
            lines.sort_unstable();
            dump.insert(*table, lines);
        }
        dump
    }
}

/// A dump of one store is that of another.
pub(crate) fn assert_same(dump: &BTreeMap<&'static str, Vec<String>>, wanted: &BTreeMap<&'static str, Vec<String>>, what: &str) {
    for (table, rows) in wanted {
        let found = &dump[table];
        if let Some(row) = rows.iter().find(|row| !found.contains(row)) {
            panic!("{what}: {table} misses {row}\nand has {:?}", found.iter().filter(|row| !rows.contains(row)).collect::<Vec<_>>());
        }
        assert_eq!(found.len(), rows.len(), "{what}: rows too many in {table}");
    }
}

pub(crate) fn run(store: &Store, log: &Memory) -> RunnerHandle {
    Runner::start(store.clone(), Arc::new(log.clone()), Model::ALL, Metrics::default())
}

/// Waits until everything in the log is in the store.
pub(crate) async fn settle(runner: &RunnerHandle, log: &Memory) {
    for topic in [Topic::Events, Topic::Outcomes] {
        let ends: Vec<_> = (0..log.partitions()).map(|partition| (partition, log.end(topic, partition).expect("an end"))).collect();
        tokio::time::timeout(PATIENCE, runner.caught_up(topic, &ends)).await.expect("the runner catches up");
    }
}

/// Runs what is in the log into the store, and stops.
pub(crate) async fn run_through(store: &Store, log: &Memory) {
    let runner = run(store, log);
    settle(&runner, log).await;
    runner.drain().await;
}

/// Asks until the answer is yes.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never: {what}"));
}
