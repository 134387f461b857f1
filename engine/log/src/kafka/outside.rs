//! What to believe of a broker that calls a position outside of the log.
//!
//! Where the topic was cut or made anew it is, and only a person can mend that. A broker that led, stood still and goes on
//! says so, too, of whatever was written meanwhile; within seconds it hears that it leads no more. So the position is
//! taken up anew, and only what is said again and again is believed.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Longer than a former leader takes to hear of it.
const BELIEVED_AFTER: Duration = Duration::from_secs(20);
/// What is said again after so long has another cause.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// Whether an error says this.
pub(super) fn is_outside(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange))
}

/// What was said of the positions of one client.
#[derive(Default)]
pub(super) struct Outside {
    /// For the first time and for the last.
    said: Option<(Instant, Instant)>,
}

impl Outside {
    /// It is said at `now`. Whether it is believed.
    pub(super) fn believed(&mut self, now: Instant) -> bool {
        let first = match self.said {
            Some((first, last)) if now.duration_since(last) < FORGOTTEN_AFTER => first,
            _ => now,
        };
        self.said = Some((first, now));
        now.duration_since(first) >= BELIEVED_AFTER
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use atelier_schemas::Topic;
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::super::append::Appender;
    use super::super::owner::Owner;
    use super::super::reader::Reader;
    use super::super::subscription::Subscription;
    use super::super::{Config, context};
    use super::*;
    use crate::{Error, Membership, NewRecord, Owner as _, Polled, Reader as _, Subscription as _};

    const STEP: Duration = Duration::from_millis(50);
    const PATIENCE: Duration = Duration::from_secs(120);

    #[test]
    fn only_what_is_said_again_and_again_is_believed() {
        let mut outside = Outside::default();
        let start = Instant::now();
        let mut said = |after: Duration| outside.believed(start + after);
        assert!(!said(Duration::ZERO) && !said(BELIEVED_AFTER / 2) && said(BELIEVED_AFTER));
        let later = BELIEVED_AFTER + FORGOTTEN_AFTER;
        assert!(!said(later), "nobody said it for long");
        assert!(said(later + BELIEVED_AFTER));
    }

    /// A cluster with one partition of each topic, and three records in `topic`.
    fn house(topic: Topic) -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, Config) {
        let cluster = MockCluster::new(1).expect("a cluster");
        let config = Config { brokers: cluster.bootstrap_servers(), partitions: 1, ..Config::default() };
        for name in Topic::ALL.map(|topic| config.topic(topic)).into_iter().chain([config.genesis_topic()]) {
            cluster.create_topic(&name, 1, 1).expect("a topic");
        }
        let appender = Appender::new(&config).expect("a producer");
        for text in ["first", "second", "third"] {
            let record = NewRecord { key: "order".into(), kind: "Test", traceparent: None, payload: text.into() };
            context::wait(appender.append(&config, topic, 0, &record)).expect("it is written");
        }
        (cluster, config)
    }

    /// As a broker says it that led once.
    fn say_outside(cluster: &MockCluster<'static, rdkafka::producer::DefaultProducerContext>) {
        cluster.request_errors(RDKafkaApiKey::Fetch, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE]);
    }

    /// Polls until something has come; what cannot be reached comes later.
    fn first<T>(mut poll: impl FnMut() -> Result<Option<T>, Error>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match poll() {
                Ok(Some(found)) => return found,
                Ok(None) | Err(Error::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(Instant::now() < deadline, "nothing comes");
        }
    }

    #[test]
    fn a_reader_whose_position_is_called_outside_once_goes_on() {
        let (cluster, config) = house(Topic::Events);
        say_outside(&cluster);
        let mut reader = Reader::new(&config, Topic::Events, &[(0, 1)]).expect("a reader");
        let offset = first(|| Ok(reader.poll(10, STEP)?.first().map(|record| record.offset)));
        assert_eq!(offset, 1);
    }

    #[test]
    fn a_member_whose_position_is_called_outside_once_does_not_do_all_again() {
        let (cluster, config) = house(Topic::PricingJobs);
        let member = || Subscription::new(&config, Topic::PricingJobs, "pricing").expect("a member");
        let mut before = member();
        first(|| Ok((!before.poll(10, STEP)?.is_empty()).then_some(())));
        before.commit(0, 2).expect("committed");
        drop(before);
        say_outside(&cluster);
        let mut member = member();
        let offset = first(|| Ok(member.poll(10, STEP)?.first().map(|record| record.offset)));
        assert_eq!(offset, 2);
    }

    #[test]
    fn an_owner_whose_next_command_is_called_outside_once_goes_on() {
        let (cluster, config) = house(Topic::Commands);
        say_outside(&cluster);
        let membership = Membership { group: "engine".into(), instance: None, worker: 0, workers: 1 };
        let mut owner = Owner::new(Arc::new(config), Arc::default(), membership).expect("an owner");
        let offset = first(|| match owner.poll(10, STEP)? {
            Polled::Commands(records) => Ok(records.first().map(|record| record.offset)),
            _ => Ok(None),
        });
        assert_eq!(offset, 0);
    }
}
