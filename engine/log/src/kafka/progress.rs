//! Where the commands of a partition go on: the group's committed offset, or else what the outcomes say.

use std::time::{Duration, Instant};

use atelier_schemas::{Framed, Outcome, Topic};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::config::{ANSWER_WITHIN, Config, create};
use super::context::{Plain, unavailable};
use crate::{Error, Partition};

/// How many outcomes are looked at first; more when there is none among them.
const LOOK_BACK: i64 = 100;
/// Reading the end of a partition.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The offset of the first command not yet consumed by `client`'s group.
///
/// A transaction that is just being ended is waited for.
pub(super) fn next_command<C: ConsumerContext>(config: &Config, client: &BaseConsumer<C>, partition: Partition) -> Result<u64, Error> {
    let commands = config.topic(Topic::Commands);
    let what = || format!("the consumed offset of {commands} partition {partition}");
    let mut asked = TopicPartitionList::new();
    asked.add_partition(&commands, partition as i32);
    let answer = client.committed_offsets(asked, ANSWER_WITHIN).map_err(|error| unavailable(&what(), &error))?;
    let answer = answer.elements();
    let element = answer.first().ok_or_else(|| Error::Unavailable(what()))?;
    element.error().map_err(|error| unavailable(&what(), &error))?;
    match element.offset() {
        Offset::Offset(offset) => Ok(offset.unsigned_abs()),
        // A new log, or the brokers dropped the offsets of a group that was away for long (a week by
        // default). Starting at either end of the commands would repeat or skip some.
        _ => after_last_outcome(config, partition),
    }
}

/// Every command has one outcome, in the order of the commands and in the same partition, written in one
/// transaction with the offset: the last outcome names the last command consumed.
fn after_last_outcome(config: &Config, partition: Partition) -> Result<u64, Error> {
    let name = config.topic(Topic::Outcomes);
    let client: BaseConsumer<Plain> = create(&config.consumer("progress"), Plain::default())?;
    let failed = |error| unavailable(&format!("{name} partition {partition} cannot be read"), &error);
    // Of a read_committed client this is the end of what is committed.
    let (low, high) = client.fetch_watermarks(&name, partition as i32, ANSWER_WITHIN).map_err(failed)?;
    let mut look_back = LOOK_BACK;
    loop {
        let from = (high - look_back).max(low);
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(&name, partition as i32, Offset::Offset(from)).map_err(failed)?;
        client.assign(&assignment).map_err(failed)?;
        let next = last_command(&client, partition, from, high)?;
        if let Some(command) = next {
            return Ok(command + 1);
        }
        if from == low {
            return Ok(0);
        }
        look_back *= 10;
    }
}

fn last_command(client: &BaseConsumer<Plain>, partition: Partition, from: i64, high: i64) -> Result<Option<u64>, Error> {
    let deadline = Instant::now() + READ_WITHIN;
    let mut last = None;
    let mut reached = from;
    while reached < high {
        match client.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                reached = message.offset() + 1;
                if message.offset() >= high {
                    break;
                }
                let outcome = Outcome::decode(message.payload().unwrap_or_default()).map_err(|error| {
                    Error::Mismatch(format!(
                        "the outcome at offset {} of partition {partition} cannot be read ({error}), and the group's consumed offset is gone: nothing says where to go on. Start the version that wrote it once.",
                        message.offset()
                    ))
                })?;
                last = last.max(u64::try_from(outcome.command_offset).ok());
            }
            Some(Err(error)) => return Err(unavailable(&format!("the outcomes of partition {partition} cannot be read"), &error)),
            None => {
                // The ends of transactions are passed without being handed out.
                let position =
                    client.position().ok().and_then(|positions| positions.elements().first().and_then(|first| first.offset().to_raw()));
                reached = reached.max(position.unwrap_or(reached));
                if reached < high && Instant::now() > deadline {
                    return Err(Error::Unavailable(format!(
                        "the outcomes of partition {partition} could not be read within {} s",
                        READ_WITHIN.as_secs()
                    )));
                }
            }
        }
    }
    Ok(last)
}
