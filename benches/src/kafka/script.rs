//! What our engine writes for each command, for the bare loop to write the same.

use atelier_log::NewRecord;
use atelier_schemas::Topic;
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
    /// Of the event id, which is like no other.
    own: Option<usize>,
}

impl Template {
    fn new(topic: Topic, record: NewRecord, order: &Uuid, command: &Uuid) -> Self {
        let places = |id: &Uuid| {
            let text = id.to_string();
            let windows = record.payload.windows(ID_BYTES).enumerate();
            windows.filter(|(_, window)| *window == text.as_bytes()).map(|(at, _)| at).collect::<Vec<_>>()
        };
        // Behind ten bytes of frame and one of length.
        let own = (topic == Topic::Events).then_some(11);
        Self { topic, kind: record.kind, order: places(order), command: places(command), own, payload: record.payload }
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
        if let Some(at) = self.own {
            let half = ID_BYTES / 2;
            buffer[at..at + half].copy_from_slice(&command[half..]);
            buffer[at + half..at + ID_BYTES].copy_from_slice(&order[..half]);
        }
        buffer
    }
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
            let transaction = state.decide(&[life::as_read(&command, 0, step as u64)], command.time)?;
            let records = transaction.records.into_iter();
            script.push(records.map(|(topic, _, record)| Template::new(topic, record, &order, &command.command_id)).collect());
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
