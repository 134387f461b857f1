//! What our engine writes for each command, for the bare loop to write the same.

use atelier_log::NewRecord;
use atelier_schemas::{Command, Topic};
use uuid::Uuid;

use crate::harness::Outcome;
use crate::life;

const ID_BYTES: usize = 36;

/// A record with holes for the ids, so that it compresses no better than a real one.
pub(super) struct Template {
    pub(super) topic: Topic,
    pub(super) kind: &'static str,
    payload: Vec<u8>,
    order: Vec<usize>,
    command: Vec<usize>,
    /// Of the event id, which is like no other, and the number of the event among those of its command.
    own: Option<(usize, u8)>,
    /// Of the command's digest, and how many bytes it has.
    digest: Option<(usize, usize)>,
}

impl Template {
    fn new(topic: Topic, record: NewRecord, command: &Command, number: u8) -> Self {
        let places = |id: &Uuid| {
            let text = id.to_string();
            let windows = record.payload.windows(ID_BYTES).enumerate();
            windows.filter(|(_, window)| *window == text.as_bytes()).map(|(at, _)| at).collect::<Vec<_>>()
        };
        // Behind ten bytes of frame and one of length.
        let own = (topic == Topic::Events).then_some((11, number));
        let digest = varint(command.digest());
        let digest = record.payload.windows(digest.len()).position(|window| window == digest).map(|at| (at, digest.len()));
        let (order, command) = (places(&command.order_id), places(&command.command_id));
        Self { topic, kind: record.kind, order, command, own, digest, payload: record.payload }
    }

    /// The payload with the ids of this command, in `buffer`.
    pub(super) fn fill<'a>(&self, order: &[u8], command: &[u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
        buffer.clone_from(&self.payload);
        for at in &self.order {
            buffer[*at..*at + ID_BYTES].copy_from_slice(order);
        }
        for at in &self.command {
            buffer[*at..*at + ID_BYTES].copy_from_slice(command);
        }
        // Backwards, an id has no four bytes in common with what stands elsewhere, so nothing of it compresses.
        if let Some((at, number)) = self.own {
            buffer[at..at + ID_BYTES].copy_from_slice(command);
            buffer[at..at + ID_BYTES].reverse();
            buffer[at..at + ID_BYTES].iter_mut().for_each(|byte| *byte += number);
        }
        if let Some((at, length)) = self.digest {
            buffer[at..at + length].copy_from_slice(&command[ID_BYTES - length..]);
            buffer[at..at + length].iter_mut().for_each(|byte| *byte = !*byte);
        }
        buffer
    }
}

/// A number as Avro writes it: zigzag, seven bits a byte, the lowest first.
fn varint(number: i64) -> Vec<u8> {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// The records of each step of the commands' lives.
pub(crate) struct Script {
    steps: Vec<Vec<Template>>,
}

impl Script {
    /// Of the first `steps` commands of a life.
    ///
    /// # Errors
    /// When the temporary folder cannot be written.
    pub(crate) fn new(steps: usize) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let mut state = life::state(0, 1, folder.path())?;
        let order = life::id(7, 7);
        let mut script = Vec::new();
        for step in 0..steps {
            let command = life::command(order, step);
            let transaction = state.decide(vec![life::as_read(&command, 0, step as u64)], command.time)?;
            let records = (0..).zip(transaction.records);
            script.push(records.map(|(number, (topic, _, record))| Template::new(topic, record, &command, number)).collect());
        }
        Ok(Self { steps: script })
    }

    /// Records for the command at this offset of its partition.
    pub(super) fn at(&self, offset: u64) -> &[Template] {
        &self.steps[(offset / life::WAVE as u64) as usize % self.steps.len()]
    }

    /// Bytes of the payloads written for one life.
    pub(crate) fn bytes(&self) -> usize {
        self.steps.iter().flatten().map(|template| template.payload.len()).sum()
    }
}
