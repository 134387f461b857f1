//! What the engine tells about itself. The doc comment of a field is the help text of its metric.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct PartitionLabel {
    pub(crate) partition: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct TypeLabel {
    pub(crate) r#type: String,
}

/// The engine's metrics. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) commands: Counter,
    pub(crate) records: Family<TypeLabel, Counter>,
    pub(crate) deadlines: Counter,
    pub(crate) lost: Counter,
    pub(crate) checkpoints: Counter,
    pub(crate) commit_seconds: Histogram,
    pub(crate) open_orders: Family<PartitionLabel, Gauge>,
    pub(crate) parked_orders: Family<PartitionLabel, Gauge>,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            commands: Counter::default(),
            records: Family::default(),
            deadlines: Counter::default(),
            lost: Counter::default(),
            checkpoints: Counter::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 14)),
            open_orders: Family::default(),
            parked_orders: Family::default(),
        };
        registry.register("engine_commands", "Commands decided", metrics.commands.clone());
        registry.register("engine_records", "Events and refusals written, by type", metrics.records.clone());
        registry.register("engine_deadline_batches", "Transactions written because deadlines had passed", metrics.deadlines.clone());
        registry.register("engine_partitions_lost", "Commits that ended with the partition lost or in doubt", metrics.lost.clone());
        registry.register("engine_checkpoints", "Checkpoints made", metrics.checkpoints.clone());
        registry.register("engine_commit_seconds", "Time of one transaction", metrics.commit_seconds.clone());
        registry.register("engine_open_orders", "Orders in memory", metrics.open_orders.clone());
        registry.register("engine_parked_orders", "Orders stopped by an event that cannot be understood", metrics.parked_orders.clone());
        metrics
    }
}
