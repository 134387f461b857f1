//! Who is not asked again yet: orders that cannot decide on their delivery, partitions in which nobody decides.

use std::collections::HashMap;

use atelier_schemas::TimeMs;

/// After the first vain attempt; each further one doubles it.
const FIRST_MS: i64 = 1_000;
/// At most.
const LONGEST_MS: i64 = 15 * 60 * 1000;

/// Who pauses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// One message, by carrier and id: its order refuses it for now, because it is on hold or set aside.
    Message(String, String),
    /// A partition: it took a command and nobody decided on it in time.
    Partition(u32),
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    length_ms: i64,
    until: TimeMs,
}

/// The pauses of one process. In memory: after a restart each is asked once more. As many as there are messages that wait
/// and partitions.
#[derive(Debug, Default)]
pub(super) struct Pauses(HashMap<Who, Pause>);

impl Pauses {
    /// Whether it is too early to ask again.
    pub(super) fn hold(&self, who: &Who, now: TimeMs) -> bool {
        self.0.get(who).is_some_and(|pause| now < pause.until)
    }

    /// It was asked in vain: the next pause is twice as long as the last.
    pub(super) fn lengthen(&mut self, who: Who, now: TimeMs) {
        let length_ms = self.0.get(&who).map_or(FIRST_MS, |pause| (pause.length_ms * 2).min(LONGEST_MS));
        self.0.insert(who, Pause { length_ms, until: now.saturating_add(length_ms) });
    }

    /// It answered.
    pub(super) fn end(&mut self, who: &Who) {
        self.0.remove(who);
    }

    /// Forgets those whose pause has long been over: somebody else has told the order, or dismissed the message.
    pub(super) fn forget_old(&mut self, now: TimeMs) {
        self.0.retain(|_, pause| now < pause.until.saturating_add(LONGEST_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_a_quarter_of_an_hour_and_ends_with_an_answer() {
        let (mut pauses, who) = (Pauses::default(), Who::Partition(3));
        let mut now = 0;
        for length_ms in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 900_000, 900_000] {
            assert!(!pauses.hold(&who, now));
            pauses.lengthen(who.clone(), now);
            assert!(pauses.hold(&who, now + length_ms - 1) && !pauses.hold(&Who::Partition(4), now), "{length_ms}");
            now += length_ms;
        }
        pauses.end(&who);
        pauses.lengthen(who.clone(), now);
        assert!(!pauses.hold(&who, now + 1_000), "from the beginning");
    }

    #[test]
    fn what_nobody_asks_for_any_more_is_forgotten() {
        let mut pauses = Pauses::default();
        pauses.lengthen(Who::Message("dhl".into(), "m1".into()), 0);
        pauses.forget_old(1_000 + LONGEST_MS - 1);
        assert_eq!(pauses.0.len(), 1);
        pauses.forget_old(1_000 + LONGEST_MS);
        assert_eq!(pauses.0.len(), 0);
    }
}
