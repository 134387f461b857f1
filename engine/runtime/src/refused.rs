//! The refusals given lately, so that the same request again gets the same answer.
//!
//! Accepted commands are remembered by their order for ever; refusals changed nothing and are remembered
//! for a while only: the newest [`LIMIT`] of a partition. An older one is decided anew.

use std::collections::{HashMap, VecDeque};

use atelier_schemas::Word;
use uuid::Uuid;

type OutcomeResult = atelier_schemas::OutcomeResultOf<Word>;

/// Refusals remembered per partition.
pub(crate) const LIMIT: usize = 4096;

#[derive(Default)]
pub(crate) struct Refusals {
    by_command: HashMap<Uuid, (i64, OutcomeResult)>,
    oldest_first: VecDeque<Uuid>,
}

impl Refusals {
    pub(crate) fn remember(&mut self, command_id: Uuid, digest: i64, result: OutcomeResult) {
        if self.by_command.insert(command_id, (digest, result)).is_some() {
            return;
        }
        self.oldest_first.push_back(command_id);
        if self.oldest_first.len() > LIMIT
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_command.remove(&oldest);
        }
    }

    /// The answer given before to the very same request. Another request under the same id is decided:
    /// a refusal does not use up a key.
    pub(crate) fn get(&self, command_id: &Uuid, digest: i64) -> Option<&OutcomeResult> {
        self.by_command.get(command_id).filter(|(known, _)| *known == digest).map(|(_, result)| result)
    }
}
