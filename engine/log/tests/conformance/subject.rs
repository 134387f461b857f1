//! The logs under test, each made new for one promise.

use std::sync::Arc;

use atelier_log::embedded::Embedded;
use atelier_log::kafka::Kafka;
use atelier_log::memory::Memory;
use atelier_log::{Log, kafka};
use tempfile::TempDir;
use uuid::Uuid;

/// Enough to tell them apart.
pub(crate) const PARTITIONS: u32 = 3;

/// A log that processes come to and go from.
pub(crate) trait Subject {
    /// The log, as a process that starts now gets it. One process at a time.
    fn open(&self) -> Arc<dyn Log>;

    /// That process ends and another one starts.
    fn reopen(&self, log: Arc<dyn Log>) -> Arc<dyn Log> {
        assert_eq!(Arc::strong_count(&log), 1, "something still holds the log");
        drop(log);
        self.open()
    }
}

/// [`Memory`].
pub(crate) struct InMemory(Memory);

impl InMemory {
    pub(crate) fn new() -> Self {
        Self(Memory::new(PARTITIONS))
    }
}

impl Subject for InMemory {
    fn open(&self) -> Arc<dyn Log> {
        Arc::new(self.0.clone())
    }
}

/// [`Embedded`], in a folder of its own.
pub(crate) struct InFolder(TempDir);

impl InFolder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("the temporary folder is writable"))
    }
}

impl Subject for InFolder {
    fn open(&self) -> Arc<dyn Log> {
        Arc::new(Embedded::open(self.0.path(), PARTITIONS).expect("the folder is free"))
    }
}

/// [`Kafka`], under a topic prefix of its own on a broker that all share.
pub(crate) struct OnKafka(String);

impl OnKafka {
    pub(crate) fn new() -> Self {
        Self(format!("{}.", Uuid::new_v4().simple()))
    }
}

impl Subject for OnKafka {
    fn open(&self) -> Arc<dyn Log> {
        let brokers = atelier_support::Kafka::shared().bootstrap();
        let config = kafka::Config { brokers, prefix: self.0.clone(), partitions: PARTITIONS, ..Default::default() };
        Arc::new(Kafka::connect(config).expect("the broker answers"))
    }
}
