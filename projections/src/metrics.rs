//! How far the read models are.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::{Cause, Model};

/// The label of every metric about a read model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Labels {
    model: &'static str,
}

impl From<Model> for Labels {
    fn from(model: Model) -> Self {
        Self { model: model.as_str() }
    }
}

/// The label of the gaps.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CauseLabel {
    cause: &'static str,
}

/// The runner's metrics. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Records between what is applied and the end of the log; absent while unknown.
    pub(crate) lag_records: Family<Labels, Gauge>,
    /// 1 while nobody can say how far the model is behind.
    pub(crate) lag_unknown: Family<Labels, Gauge>,
    /// When a batch was last committed, seconds since 1970.
    pub(crate) last_applied: Family<Labels, Gauge<f64, AtomicU64>>,
    /// Records applied.
    pub(crate) applied: Family<Labels, Counter>,
    /// Records skipped because their order is parked.
    pub(crate) skipped: Family<Labels, Counter>,
    /// Orders set aside by this process because a record could not be understood.
    pub(crate) parked: Family<Labels, Counter>,
    /// Batches that had to be tried again because the store was away.
    pub(crate) retries: Family<Labels, Counter>,
    /// Gaps open, by cause; absent while unknown.
    gaps_open: Family<CauseLabel, Gauge>,
}

impl Metrics {
    /// Makes them known to the scrape.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "projection_lag_records",
            "Records between what the read model has applied and the end of the log; absent while unknown",
            metrics.lag_records.clone(),
        );
        registry.register(
            "projection_lag_unknown",
            "1 while the lag of the read model is not known (log or store not reachable)",
            metrics.lag_unknown.clone(),
        );
        registry.register(
            "projection_last_applied_timestamp_seconds",
            "When the read model last committed a batch, seconds since 1970",
            metrics.last_applied.clone(),
        );
        registry.register("projection_applied_records", "Records applied to the read model", metrics.applied.clone());
        registry.register("projection_skipped_records", "Records skipped because their order is parked", metrics.skipped.clone());
        registry.register("projection_parked_orders", "Orders parked because a record could not be understood", metrics.parked.clone());
        registry.register("projection_store_retries", "Batches tried again because the store was not reachable", metrics.retries.clone());
        registry.register(
            "atelier_gaps_open",
            "Orders (or, for projection_behind, partitions of read models) with an open gap of the cause; absent while unknown; \
             webhook_undelivered is told by those who send, as webhook_undelivered, and unknown_parcel by the gateways for \
             carriers, as carrier_messages_waiting",
            metrics.gaps_open.clone(),
        );
        metrics
    }

    /// The open gaps are counted, but for those of `unknown`.
    pub(crate) fn gaps(&self, open: &BTreeMap<Cause, i64>, unknown: &[Cause]) {
        for cause in Cause::ALL {
            let label = CauseLabel { cause: cause.as_str() };
            if unknown.contains(&cause) {
                self.gaps_open.remove(&label);
            } else {
                self.gaps_open.get_or_create(&label).set(open.get(&cause).copied().unwrap_or(0));
            }
        }
    }

    /// Nobody can count them: the series go, as the lag's does.
    pub(crate) fn gaps_are_unknown(&self) {
        self.gaps_open.clear();
    }

    /// The lag is known.
    pub(crate) fn lag(&self, model: Model, records: u64) {
        self.lag_unknown.get_or_create(&model.into()).set(0);
        self.lag_records.get_or_create(&model.into()).set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// The lag is not known: its series goes, so that nobody reads an old number as a good one.
    pub(crate) fn lag_is_unknown(&self, model: Model) {
        self.lag_unknown.get_or_create(&model.into()).set(1);
        self.lag_records.remove(&model.into());
    }
}
