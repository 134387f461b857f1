//! What the delivery tells about itself. No label names a partner or an address.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StateLabel {
    state: &'static str,
}

/// The metrics of webhooks. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) read: Counter,
    pub(crate) created: Counter,
    attempts: Family<ResultLabel, Counter>,
    pub(crate) unreadable: Counter,
    pub(crate) taken_over: Counter,
    pub(crate) retries: Counter,
    pub(crate) in_flight: Gauge,
    pub(crate) set_aside: Gauge,
    pub(crate) undelivered: Gauge,
    pub(crate) first_attempt: Histogram,
    oldest: Gauge<f64, AtomicU64>,
    endpoints: Family<StateLabel, Gauge>,
}

impl Metrics {
    /// Makes them known to the scrape.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            read: Counter::default(),
            created: Counter::default(),
            attempts: Family::default(),
            unreadable: Counter::default(),
            taken_over: Counter::default(),
            retries: Counter::default(),
            in_flight: Gauge::default(),
            set_aside: Gauge::default(),
            undelivered: Gauge::default(),
            first_attempt: Histogram::new(exponential_buckets(0.005, 2.0, 16)),
            oldest: Gauge::default(),
            endpoints: Family::default(),
        };
        registry.register("webhook_events_read", "Events read from the log", metrics.read.clone());
        registry.register(
            "webhook_messages_created",
            "Messages that are to be sent, each once for all the endpoints of its partner",
            metrics.created.clone(),
        );
        registry.register(
            "webhook_attempts",
            "Attempts by result: delivered, refused (another status), unreachable (none), given_up (the last of three days)",
            metrics.attempts.clone(),
        );
        registry.register("webhook_events_unreadable", "Events that could not be read", metrics.unreadable.clone());
        registry.register(
            "webhook_lanes_taken_over",
            "Endpoints taken over from a process that did not renew its lease",
            metrics.taken_over.clone(),
        );
        registry.register("webhook_store_retries", "Times the store or the log was away and was asked again", metrics.retries.clone());
        registry.register("webhook_in_flight", "Messages under way", metrics.in_flight.clone());
        registry.register(
            "webhook_undelivered",
            "Gaps open of the cause webhook_undelivered, as every process that sends counts them in the shared store once a minute",
            metrics.undelivered.clone(),
        );
        registry.register(
            "webhook_orders_set_aside",
            "Orders of which nothing is told because one of their events cannot be read",
            metrics.set_aside.clone(),
        );
        registry.register(
            "webhook_first_attempt_seconds",
            "From an event to the first attempt of its message",
            metrics.first_attempt.clone(),
        );
        registry.register(
            "webhook_oldest_undelivered_seconds",
            "For how long the message that waits longest could have been sent, whatever the reason that it is not delivered; 0 when there is none",
            metrics.oldest.clone(),
        );
        registry.register("webhook_endpoints", "Endpoints by state: ok, failing, circuit_open, disabled", metrics.endpoints.clone());
        metrics
    }

    pub(crate) fn attempt(&self, result: &'static str) {
        self.attempts.get_or_create(&ResultLabel { result }).inc();
    }

    pub(crate) fn oldest(&self, age_ms: i64) {
        self.oldest.set(age_ms.max(0) as f64 / 1000.0);
    }

    pub(crate) fn endpoints(&self, state: &'static str, count: i64) {
        self.endpoints.get_or_create(&StateLabel { state }).set(count);
    }
}
