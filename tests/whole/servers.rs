//! A house on Kafka and PostgreSQL.

use atelier_log::kafka::{Config, Kafka};
use atelier_support::Postgres;

/// The settings of a house.
pub(crate) type Settings = Vec<(&'static str, String)>;

/// Kafka and PostgreSQL of this test process, under names of the test's own.
pub(crate) fn on_servers(name: &str) -> Settings {
    on(name, Postgres::shared())
}

/// The same with a PostgreSQL that nobody else uses.
pub(crate) fn on(name: &str, postgres: &Postgres) -> Settings {
    let kafka = atelier_support::Kafka::shared().bootstrap();
    let store = postgres.create_database(name);
    vec![("ATELIER_LOG", format!("kafka://{kafka}")), ("ATELIER_STORE", store), ("ATELIER_TOPIC_PREFIX", format!("{name}-"))]
}

/// The log of such a house.
pub(crate) fn log(name: &str) -> Kafka {
    let brokers = atelier_support::Kafka::shared().bootstrap();
    Kafka::connect(Config { brokers, prefix: format!("{name}-"), ..Config::default() }).unwrap()
}
