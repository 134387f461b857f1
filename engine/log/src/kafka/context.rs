//! What librdkafka tells us on the side: log lines and connection errors.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::Statistics;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::Error;

/// Where librdkafka tells that a connection broke, or could not be made.
const BROKEN: &str = "FAIL";

/// In these states of a connection it has carried requests.
const IN_USE: [&str; 2] = ["in state UP", "in state REAUTH"];

/// Whether such words are of a connection that was never up: nothing had been sent over it.
fn never_made(reason: &str) -> bool {
    reason.contains("in state ") && !IN_USE.iter().any(|state| reason.contains(state))
}

/// Remembers what went wrong with the connections of one client.
#[derive(Default)]
pub(super) struct Watch {
    disturbed: AtomicBool,
    fatal: AtomicBool,
    last: Mutex<Option<String>>,
    /// Since when a member of a group has not even been on its way into it, and where it stands.
    apart: Mutex<Option<(Instant, String)>>,
}

/// Where a member stands that waits for nobody but its own client: without a coordinator, or with one and yet not asking
/// it to be let in.
fn standing_apart(state: &str, join_state: &str) -> bool {
    state != "up" || matches!(join_state, "init" | "wait-metadata")
}

impl Watch {
    /// librdkafka's own log. A broker that is away is told through errors too, so that is not repeated here. A
    /// connection that breaks with one request under way is not told as an error, nor is one that breaks like the last
    /// within 30 s (`rd_kafka_broker_conn_closed`, `rd_kafka_broker_set_error`): only a line for debugging the brokers
    /// tells of each.
    pub(super) fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == BROKEN && !never_made(message) {
            self.disturbed.store(true, Ordering::Release);
        }
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning
                if facility != "FAIL" =>
            {
                tracing::warn!(target: "kafka", facility, "{message}");
            }
            _ => tracing::debug!(target: "kafka", facility, "{message}"),
        }
    }

    /// An error of the client as a whole.
    pub(super) fn error(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        if !never_made(reason) {
            self.disturbed.store(true, Ordering::Release);
        }
        match code {
            Some(RDKafkaErrorCode::PartitionEOF) => return,
            Some(RDKafkaErrorCode::Fatal) => {
                self.fatal.store(true, Ordering::Release);
                tracing::warn!(target: "kafka", "{reason}");
            }
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) => tracing::warn!(target: "kafka", "{reason}"),
            _ => tracing::debug!(target: "kafka", "{error}: {reason}"),
        }
        // "All brokers are down" follows the reason and would hide it.
        if code != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }

    /// Whether anything went wrong since the last call.
    pub(super) fn take_disturbed(&self) -> bool {
        self.disturbed.swap(false, Ordering::AcqRel)
    }

    /// What the client tells about itself every second where that was asked for.
    pub(super) fn statistics(&self, statistics: &Statistics) {
        let Some(group) = &statistics.cgrp else { return };
        let mut apart = self.apart.lock().unwrap_or_else(PoisonError::into_inner);
        if standing_apart(&group.state, &group.join_state) {
            let since = apart.take().map_or_else(Instant::now, |(since, _)| since);
            *apart = Some((since, format!("{}, {}", group.state, group.join_state)));
        } else {
            *apart = None;
        }
    }

    /// Where the member has stood apart for longer than `limit`.
    ///
    /// A client whose coordinator changes while brokers come and go may never find it again, whatever the brokers say
    /// (seen with librdkafka 2.12.1; a client made anew finds it at once).
    pub(super) fn apart_for(&self, limit: Duration) -> Option<String> {
        let apart = self.apart.lock().unwrap_or_else(PoisonError::into_inner);
        apart.as_ref().filter(|(since, _)| since.elapsed() > limit).map(|(_, standing)| standing.clone())
    }

    /// Whether the client is beyond repair.
    pub(super) fn is_fatal(&self) -> bool {
        self.fatal.load(Ordering::Acquire)
    }

    /// The last reason, in librdkafka's words.
    pub(super) fn last(&self) -> Option<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Forwards a client context's log and errors to its `watch` field; its statistics, too, unless it says what else to do
/// with them.
macro_rules! watched {
    ($context:ty) => {
        watched!($context {
            fn stats(&self, statistics: rdkafka::Statistics) {
                self.watch.statistics(&statistics);
            }
        });
    };
    ($context:ty { $($statistics:tt)* }) => {
        impl rdkafka::ClientContext for $context {
            fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
                self.watch.log(level, facility, message);
            }

            fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
                self.watch.error(&error, reason);
            }

            $($statistics)*
        }
    };
}
pub(super) use watched;

/// The context of a client that needs nothing more.
#[derive(Default)]
pub(super) struct Plain {
    pub(super) watch: Watch,
}
watched!(Plain);
impl rdkafka::consumer::ConsumerContext for Plain {}

/// What an error of librdkafka is to a caller who may try again.
pub(super) fn unavailable(what: &str, error: &KafkaError) -> Error {
    let hint = match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed,
        ) => "; the brokers' access rules do not allow it to this user",
        _ => "",
    };
    Error::Unavailable(format!("{what}: {error}{hint}"))
}

/// `wait`, rounded up. librdkafka takes whole milliseconds, and rdkafka cuts off what is less than one: until that has
/// passed it would ask without any pause, which keeps a core busy.
pub(super) fn whole_ms(wait: Duration) -> Duration {
    Duration::from_millis(u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

/// Waits for a future on this thread; librdkafka's own threads complete it.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = TaskContext::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_never_ends_between_two_milliseconds() {
        let nanos = Duration::from_nanos;
        assert_eq!([0, 1, 1_000_000, 49_100_000].map(|wait| whole_ms(nanos(wait)).as_millis()), [0, 1, 1, 50]);
        assert_eq!(whole_ms(nanos(49_100_000)).subsec_nanos(), 50_000_000);
    }

    #[test]
    fn only_a_connection_that_was_up_can_have_left_a_request_behind() {
        let error = KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure);
        let (refused, broke) = (
            "Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)",
            "Disconnected (after 12ms in state UP)",
        );
        let watch = Watch::default();
        watch.log(RDKafkaLogLevel::Debug, BROKEN, refused);
        watch.error(&error, refused);
        assert!(!watch.take_disturbed());
        watch.log(RDKafkaLogLevel::Debug, BROKEN, broke);
        assert!(watch.take_disturbed());
        watch.log(RDKafkaLogLevel::Debug, BROKEN, "Disconnected (after 12ms in state REAUTH)");
        assert!(watch.take_disturbed(), "it was up before, and asks once more who we are");
        watch.error(&error, broke);
        assert!(watch.take_disturbed());
        watch.error(&KafkaError::Global(RDKafkaErrorCode::Fatal), "whatever it is");
        assert!(watch.take_disturbed());
    }
}
