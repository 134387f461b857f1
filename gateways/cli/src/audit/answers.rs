//! Which commands have an answer that the read model of outcomes should have: two bytes per command offset,
//! a fingerprint of the answer or zero.

use atelier_schemas::{Outcome, OutcomeResult, murmur2};

/// Command offsets of a stretch.
pub(super) const STRETCH: u64 = 4096;
const HEAD_BYTES: usize = 8;

/// The checks of one stretch of a partition's commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answers {
    /// The earliest time of any of them; `i64::MAX` while there is none.
    pub(super) oldest_ms: i64,
    checks: Box<[u16]>,
}

impl Default for Answers {
    fn default() -> Self {
        Self { oldest_ms: i64::MAX, checks: vec![0; STRETCH as usize].into_boxed_slice() }
    }
}

impl Answers {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut answers = Self::default();
        if let Some((head, checks)) = bytes.split_first_chunk::<HEAD_BYTES>() {
            answers.oldest_ms = i64::from_le_bytes(*head);
            for (check, [low, high]) in answers.checks.iter_mut().zip(checks.as_chunks::<2>().0) {
                *check = u16::from_le_bytes([*low, *high]);
            }
        }
        answers
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.checks.len() * 2);
        bytes.extend(self.oldest_ms.to_le_bytes());
        bytes.extend(self.checks.iter().flat_map(|check| check.to_le_bytes()));
        bytes
    }

    /// The check of a command's answer; 0: none.
    pub(super) fn check(&self, command_offset: u64) -> u16 {
        self.checks[(command_offset % STRETCH) as usize]
    }

    pub(super) fn set(&mut self, command_offset: u64, check: u16) {
        self.checks[(command_offset % STRETCH) as usize] = check;
    }

    /// The places within the stretch that have a check.
    pub(super) fn left(&self) -> impl Iterator<Item = u64> {
        self.checks.iter().zip(0..).filter(|(check, _)| **check != 0).map(|(_, place)| place)
    }
}

/// A fingerprint of what an answer says, never 0; `None` for a repetition, of which the first answer is kept.
pub(super) fn check_of(outcome: &Outcome) -> Option<u16> {
    let mut text = Vec::with_capacity(96);
    text.extend(outcome.command_id.as_bytes());
    text.extend(outcome.order_id.as_bytes());
    match &outcome.result {
        OutcomeResult::Accepted { repeated: true, .. } => return None,
        OutcomeResult::Accepted { status, version, events, .. } => {
            text.extend(version.to_le_bytes());
            text.extend(status.as_bytes());
            events.iter().for_each(|name| text.extend(name.as_bytes()));
        }
        OutcomeResult::Refused { code, .. } => text.extend(code.as_bytes()),
    }
    Some(((murmur2(&text) & 0xffff) as u16).max(1))
}
