//! What a worker counts. Declared once; the doc comment of a metric is its help text.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds in seconds: a job takes minutes, up to half an hour; waiting may take longer.
const BUCKETS_S: [f64; 12] = [0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0];

macro_rules! metrics {
    ($(#[$meta:meta])* pub struct $name:ident { $(#[doc = $help:literal] $field:ident : $type:ty = $metric:literal, $new:expr;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name { $(#[doc = $help] pub(super) $field: $type),+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $new),+ }
            }
        }

        impl $name {
            /// Adds them to the registry whose text is served.
            pub fn register(&self, registry: &mut Registry) {
                $(registry.register($metric, $help.trim().trim_end_matches('.'), self.$field.clone());)+
            }
        }
    };
}

metrics! {
    /// Counts of one worker, or of all workers of a process that share a clone. The exposition adds
    /// `_total` to counters.
    pub struct Metrics {
        /// Pricing jobs by how they ended.
        jobs: Family<ResultLabel, Counter> = "pricing_jobs", results();
        /// Pricing jobs that hold a lease, being measured or waiting for a slot.
        running: Gauge = "pricing_running", Gauge::default();
        /// Seconds from the grant of an attempt to its last answer.
        run_seconds: Histogram = "pricing_run_seconds", Histogram::new(BUCKETS_S);
        /// Seconds from the request of an attempt to its grant.
        wait_seconds: Histogram = "pricing_wait_seconds", Histogram::new(BUCKETS_S);
    }
}

impl Metrics {
    /// Jobs that ended so.
    pub fn jobs_ended(&self, ended: Ended) -> u64 {
        self.jobs.get_or_create(&ended.into()).get()
    }

    pub(super) fn count(&self, ended: Ended) {
        self.jobs.get_or_create(&ended.into()).inc();
    }
}

/// How a job can end for this worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The engine took the price.
    Priced,
    /// The engine took the failure.
    Failed,
    /// The attempt was not granted: somebody else has it, or it is old.
    Skipped,
    /// The lease was lost while measuring.
    Abandoned,
    /// The result came too late and was refused.
    Late,
    /// The engine did not answer in time; the job is left to its lease or to other workers.
    Unanswered,
    /// The job's record cannot be read.
    Unreadable,
    /// The job broke off through a defect; it is left to its lease.
    Broken,
}

impl Ended {
    const ALL: [Ended; 8] =
        [Ended::Priced, Ended::Failed, Ended::Skipped, Ended::Abandoned, Ended::Late, Ended::Unanswered, Ended::Unreadable, Ended::Broken];

    const fn name(self) -> &'static str {
        match self {
            Ended::Priced => "priced",
            Ended::Failed => "failed",
            Ended::Skipped => "skipped",
            Ended::Abandoned => "abandoned",
            Ended::Late => "late",
            Ended::Unanswered => "unanswered",
            Ended::Unreadable => "unreadable",
            Ended::Broken => "broken",
        }
    }
}

/// The label of `pricing_jobs_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabel {
    result: &'static str,
}

impl From<Ended> for ResultLabel {
    fn from(ended: Ended) -> Self {
        Self { result: ended.name() }
    }
}

/// Every series exists from the start, so that a rate over it is never missing.
fn results() -> Family<ResultLabel, Counter> {
    let family = Family::default();
    for ended in Ended::ALL {
        let _ = family.get_or_create(&ended.into());
    }
    family
}

#[cfg(test)]
mod tests {
    use super::{Ended, Metrics};
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    #[test]
    fn the_exposition_has_names_help_and_every_result() {
        let metrics = Metrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        metrics.count(Ended::Priced);
        metrics.run_seconds.observe(3000.0);
        let mut text = String::new();
        encode(&mut text, &registry).expect("text");
        for expected in [
            "# HELP pricing_jobs Pricing jobs by how they ended.\n",
            "pricing_jobs_total{result=\"priced\"} 1\n",
            "pricing_jobs_total{result=\"abandoned\"} 0\n",
            "# HELP pricing_running Pricing jobs that hold a lease, being measured or waiting for a slot.\n",
            "pricing_running 0\n",
            "pricing_run_seconds_bucket{le=\"1800.0\"} 0\n",
            "pricing_run_seconds_bucket{le=\"3600.0\"} 1\n",
            "pricing_wait_seconds_count 0\n",
        ] {
            assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
        }
    }
}
