//! What to believe of a broker that calls a position outside of the log.
//!
//! Where the topic was cut or made anew it is, and only a person can mend that. A broker that led, stood still and goes on
//! says so, too, of whatever was written meanwhile; within seconds it hears that it leads no more. So the brokers are asked
//! who leads and where the log ends, a new client takes the position up, and only what is confirmed for a while is believed.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::Partition;

/// Longer than a former leader takes to hear of it.
const BELIEVED_AFTER: Duration = Duration::from_secs(20);
/// Longer than it takes to come to the position again, also where all state is restored before.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// For each answer about the leader.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Whether an error says this.
pub(super) fn is_outside(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange))
}

/// Where a partition begins and ends, as its leader says, whoever that is now.
pub(super) fn bounds<C: ConsumerContext>(client: &BaseConsumer<C>, topic: &str, partition: Partition) -> Option<(u64, u64)> {
    client.fetch_metadata(Some(topic), ANSWER_WITHIN).ok()?;
    let (low, high) = client.fetch_watermarks(topic, partition as i32, ANSWER_WITHIN).ok()?;
    Some((low.unsigned_abs(), high.unsigned_abs()))
}

/// What was said of the positions of one client.
#[derive(Default)]
pub(super) struct Outside {
    /// And confirmed, for the first time and for the last.
    said: Option<(Instant, Instant)>,
}

impl Outside {
    /// It is said at `now`, and confirmed or not by who is said to lead. Whether it is believed.
    pub(super) fn believed(&mut self, confirmed: bool, now: Instant) -> bool {
        if !confirmed {
            self.forget();
            return false;
        }
        let first = match self.said {
            Some((first, last)) if now.duration_since(last) < FORGOTTEN_AFTER => first,
            _ => now,
        };
        self.said = Some((first, now));
        now.duration_since(first) >= BELIEVED_AFTER
    }

    /// A record has come.
    pub(super) fn forget(&mut self) {
        self.said = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use atelier_schemas::Topic;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
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
    fn only_what_is_confirmed_again_and_again_is_believed() {
        let mut outside = Outside::default();
        let start = Instant::now();
        let mut said = |confirmed, after: Duration| outside.believed(confirmed, start + after);
        assert!(!said(true, Duration::ZERO) && !said(true, BELIEVED_AFTER / 2) && said(true, BELIEVED_AFTER));
        assert!(!said(false, BELIEVED_AFTER), "somebody leads who has the position");
        assert!(!said(true, BELIEVED_AFTER) && said(true, BELIEVED_AFTER * 2));
        let later = BELIEVED_AFTER * 2 + FORGOTTEN_AFTER;
        assert!(!said(true, later), "nobody said it for long");
        outside.forget();
        assert!(!outside.believed(true, start + later + BELIEVED_AFTER), "a record came meanwhile");
    }

    /// A cluster with one partition of each topic.
    struct House {
        cluster: MockCluster<'static, DefaultProducerContext>,
        config: Config,
        appender: Appender,
        topic: Topic,
    }

    impl House {
        /// With three records in `topic`.
        fn new(topic: Topic) -> Self {
            let cluster = MockCluster::new(1).expect("a cluster");
            let config = Config { brokers: cluster.bootstrap_servers(), partitions: 1, ..Config::default() };
            for name in Topic::ALL.map(|topic| config.topic(topic)).into_iter().chain([config.genesis_topic()]) {
                cluster.create_topic(&name, 1, 1).expect("a topic");
            }
            let house = Self { appender: Appender::new(&config).expect("a producer"), cluster, config, topic };
            (0..3).for_each(|_| house.write());
            house
        }

        fn write(&self) {
            let record = NewRecord { key: "order".into(), kind: "Test", traceparent: None, payload: "record".into() };
            context::wait(self.appender.append(&self.config, self.topic, 0, &record)).expect("it is written");
        }

        /// Polls until the record at `offset` has come, and no other has.
        fn comes(offset: u64, mut poll: impl FnMut() -> Result<Vec<u64>, Error>) {
            until("it comes", || match poll() {
                Ok(offsets) => {
                    assert!(offsets.is_empty() || offsets[0] == offset, "{offsets:?} instead of {offset}");
                    !offsets.is_empty()
                }
                Err(Error::Unavailable(_)) => false,
                Err(error) => panic!("{error}"),
            });
        }

        /// A broker calls the position outside, as one does that led once, and whoever polls hears of it; then one more record
        /// is written.
        fn said_outside(&self, mut poll: impl FnMut() -> Result<Vec<u64>, Error>) {
            until("it is heard", || {
                // Said until then: what answers a request that nobody waits for any more is heard by nobody.
                self.cluster.request_errors(RDKafkaApiKey::Fetch, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE]);
                match poll() {
                    Ok(offsets) => {
                        assert!(offsets.is_empty(), "{offsets:?}");
                        false
                    }
                    Err(error) => {
                        assert!(matches!(&error, Error::Unavailable(reason) if reason.contains("does not exist")), "{error}");
                        true
                    }
                }
            });
            self.cluster.clear_request_errors(RDKafkaApiKey::Fetch);
            self.write();
        }
    }

    fn until(what: &str, mut step: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !step() {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
        }
    }

    #[test]
    fn a_reader_whose_position_is_called_outside_once_goes_on() {
        let house = House::new(Topic::Events);
        let mut reader = Reader::new(&house.config, Topic::Events, &[(0, 2)]).expect("a reader");
        let mut poll = || Ok(reader.poll(10, STEP)?.iter().map(|record| record.offset).collect());
        House::comes(2, &mut poll);
        house.said_outside(&mut poll);
        House::comes(3, &mut poll);
    }

    #[test]
    fn a_member_whose_position_is_called_outside_once_goes_on_where_its_group_stands() {
        let house = House::new(Topic::PricingJobs);
        let mut member = Subscription::new(&house.config, Topic::PricingJobs, "pricing").expect("a member");
        House::comes(0, || Ok(member.poll(10, STEP)?.iter().map(|record| record.offset).collect()));
        until("all have come", || member.poll(10, STEP).expect("polled").is_empty());
        member.commit(0, 2).expect("committed");
        let mut poll = || Ok(member.poll(10, STEP)?.iter().map(|record| record.offset).collect());
        house.said_outside(&mut poll);
        House::comes(2, &mut poll);
    }

    #[test]
    fn an_owner_whose_next_command_is_called_outside_once_goes_on() {
        let house = House::new(Topic::Commands);
        let membership = Membership { group: "engine".into(), instance: None, worker: 0, workers: 1 };
        let mut owner = Owner::new(Arc::new(house.config.clone()), Arc::default(), membership).expect("an owner");
        let poll = |owner: &mut Owner| match owner.poll(10, STEP)? {
            Polled::Commands(records) => Ok(records.iter().map(|record| record.offset).collect()),
            _ => Ok(Vec::new()),
        };
        House::comes(0, || poll(&mut owner));
        until("all have come", || poll(&mut owner).is_ok_and(|offsets: Vec<u64>| offsets.is_empty()));
        house.said_outside(|| poll(&mut owner));
        // Nothing is committed.
        House::comes(0, || poll(&mut owner));
    }
}
