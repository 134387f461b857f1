//! What follows from an attempt. Pure: time and randomness come in, nothing goes out but a decision.
//!
//! Two things are kept apart. An order's first pending message (its head) has a schedule of attempts, so one
//! message that its receiver cannot digest stops its own order only. An endpoint has a circuit: when whatever
//! is sent there fails, nothing is sent for a while, and then one message to see.

use crate::send::Answer;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Pauses after the first, second … failure of a message; the last one again and again.
const SCHEDULE_MS: [i64; 6] = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR];
/// A message that failed for so long is given up, an endpoint that failed for so long is disabled.
pub const PATIENCE_MS: i64 = 72 * HOUR;
/// Failures in a row that open the circuit.
const THRESHOLD: i64 = 5;
/// How long it stays open: doubled each time in a row, up to the longest.
const OPEN_MS: i64 = 30 * SECOND;
const OPEN_LONGEST_MS: i64 = 10 * MINUTE;
/// The longest `Retry-After` that is honoured.
const RETRY_AFTER_LONGEST_MS: i64 = 12 * HOUR;

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// 2xx.
    Delivered,
    /// 410: nobody wants messages there any more.
    Gone,
    /// Anything else, a redirect among it. The endpoint may ask for a pause.
    Failed { pause_ms: Option<i64> },
}

/// How an endpoint is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Circuit {
    /// In a row.
    pub(crate) failures: i64,
    pub(crate) failing_since: Option<i64>,
    /// Nothing is sent before then: so many failed in a row, or it asked for a pause.
    pub(crate) open_until: Option<i64>,
    /// Times in a row that so many failed.
    pub(crate) opened: i64,
    /// The pause it asked for. What is answered well meanwhile does not end it.
    pub(crate) paused_until: Option<i64>,
}

/// How an order's first pending message is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    pub(crate) attempts: i64,
    pub(crate) first_failed_at: Option<i64>,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there.
    Delivered,
    /// Again, not before then.
    Again { at: i64, tries: Tries },
    /// It will not get there; its order's later ones go on.
    GivenUp,
    /// Nothing will get there until somebody enables the endpoint; everything is kept.
    Disable { why: &'static str, tries: Tries },
}

impl Heard {
    pub(crate) fn of(answer: &Answer, now: i64) -> Self {
        match answer {
            Answer::Status { code: 200..=299, .. } => Self::Delivered,
            Answer::Status { code: 410, .. } => Self::Gone,
            Answer::Status { code: 429 | 503, retry_after, .. } => {
                Self::Failed { pause_ms: retry_after.as_deref().and_then(|text| pause_of(text, now)) }
            }
            Answer::Status { .. } | Answer::None(_) => Self::Failed { pause_ms: None },
        }
    }
}

/// `Retry-After`: seconds, or a date.
fn pause_of(text: &str, now: i64) -> Option<i64> {
    let asked = match text.trim().parse::<i64>() {
        Ok(seconds) => seconds.saturating_mul(SECOND),
        Err(_) => chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?.timestamp_millis().saturating_sub(now),
    };
    (asked > 0).then_some(asked.min(RETRY_AFTER_LONGEST_MS))
}

/// What follows from an attempt that ended at `now`. `random` is drawn from 0..1 and lengthens pauses by up
/// to a fifth, so that what failed together does not come back together.
pub(crate) fn judge(circuit: &mut Circuit, tries: Tries, heard: Heard, now: i64, random: f64) -> Fate {
    let longer = |pause: i64| now + pause + (pause as f64 * 0.2 * random.clamp(0.0, 1.0)) as i64;
    let pause_ms = match heard {
        Heard::Delivered => {
            let paused_until = circuit.paused_until.filter(|until| *until > now);
            *circuit = Circuit { open_until: paused_until, paused_until, ..Circuit::default() };
            return Fate::Delivered;
        }
        Heard::Gone => None,
        Heard::Failed { pause_ms } => pause_ms,
    };
    circuit.failures += 1;
    let failing_since = *circuit.failing_since.get_or_insert(now);
    // What was under way when it opened tells nothing new.
    if circuit.failures >= THRESHOLD && circuit.open_until.is_none_or(|until| until <= now) {
        let pause = OPEN_MS.saturating_mul(1 << circuit.opened.clamp(0, 10)).min(OPEN_LONGEST_MS);
        circuit.open_until = Some(longer(pause));
        circuit.opened += 1;
    }
    if let Some(pause) = pause_ms {
        circuit.paused_until = circuit.paused_until.max(Some(now + pause));
        circuit.open_until = circuit.open_until.max(circuit.paused_until);
    }
    let first_failed_at = tries.first_failed_at.unwrap_or(now);
    let tries = Tries { attempts: tries.attempts + 1, first_failed_at: Some(first_failed_at) };
    if heard == Heard::Gone {
        return Fate::Disable { why: "it answered 410 Gone", tries };
    }
    if now - failing_since >= PATIENCE_MS {
        return Fate::Disable { why: "nothing reached it for three days", tries };
    }
    // Others got through meanwhile, so it is this message.
    if now - first_failed_at >= PATIENCE_MS {
        return Fate::GivenUp;
    }
    let nth = usize::try_from(tries.attempts - 1).unwrap_or(0).min(SCHEDULE_MS.len() - 1);
    Fate::Again { at: longer(SCHEDULE_MS[nth].max(pause_ms.unwrap_or(0))), tries }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_323_045_000;

    fn status(code: u16, retry_after: Option<&str>) -> Answer {
        Answer::Status { code, body: String::new(), retry_after: retry_after.map(ToOwned::to_owned) }
    }

    fn failed() -> Heard {
        Heard::Failed { pause_ms: None }
    }

    #[test]
    fn only_2xx_is_delivered() {
        for code in [200, 201, 204, 299] {
            assert_eq!(Heard::of(&status(code, None), NOW), Heard::Delivered, "{code}");
        }
        for code in [100, 199, 300, 301, 302, 304, 307, 308, 400, 404, 429, 500, 503] {
            assert_eq!(Heard::of(&status(code, None), NOW), failed(), "{code}");
        }
        assert_eq!(Heard::of(&status(410, None), NOW), Heard::Gone);
        assert_eq!(Heard::of(&Answer::None("no answer".into()), NOW), failed());
    }

    #[test]
    fn a_pause_is_honoured_within_bounds() {
        let pause = |code, text| Heard::of(&status(code, Some(text)), NOW);
        let failed = |pause_ms| Heard::Failed { pause_ms };
        assert_eq!(pause(429, "120"), failed(Some(120_000)));
        assert_eq!(pause(503, "Fri, 02 Jan 2026 03:05:05 GMT"), failed(Some(60_000)));
        assert_eq!(pause(503, "999999999999"), failed(Some(RETRY_AFTER_LONGEST_MS)));
        for (code, text) in [(500, "120"), (429, "-5"), (429, "soon"), (503, "Fri, 02 Jan 2020 03:05:05 GMT")] {
            assert_eq!(pause(code, text), failed(None), "{code} {text}");
        }
        let mut circuit = Circuit::default();
        let fate = judge(&mut circuit, Tries::default(), Heard::Failed { pause_ms: Some(90_000) }, NOW, 0.0);
        assert!(matches!(fate, Fate::Again { at, .. } if at == NOW + 90_000), "{fate:?}");
        assert_eq!(circuit.open_until, Some(NOW + 90_000), "the pause is the endpoint's, not the message's");
    }

    #[test]
    fn a_message_is_tried_for_three_days_and_given_up_where_others_get_through() {
        for random in [0.0, 1.0] {
            let (mut tries, mut now, mut pauses) = (Tries::default(), NOW, Vec::new());
            loop {
                // Another order's message got through just before.
                let mut circuit = Circuit::default();
                match judge(&mut circuit, tries, failed(), now, random) {
                    Fate::Again { at, tries: next } => {
                        pauses.push((at - now) / SECOND);
                        (now, tries) = (at, next);
                    }
                    fate => {
                        assert_eq!(fate, Fate::GivenUp);
                        break;
                    }
                }
            }
            if random == 0.0 {
                assert_eq!(pauses[..7], [5, 300, 1800, 7200, 18000, 36000, 36000]);
            }
            assert!((72 * HOUR..=84 * HOUR).contains(&(now - NOW)), "{pauses:?}");
        }
    }

    #[test]
    fn an_endpoint_that_is_gone_for_three_days_is_disabled_and_loses_nothing() {
        let mut circuit = Circuit { failures: 3, failing_since: Some(NOW - PATIENCE_MS), ..Circuit::default() };
        let fate = judge(&mut circuit, Tries { attempts: 9, first_failed_at: Some(NOW - PATIENCE_MS) }, failed(), NOW, 0.0);
        assert!(matches!(fate, Fate::Disable { .. }), "{fate:?}");
        assert!(matches!(judge(&mut Circuit::default(), Tries::default(), Heard::Gone, NOW, 0.0), Fate::Disable { .. }));
    }

    #[test]
    fn the_circuit_opens_at_the_fifth_failure_longer_each_time_and_closes_at_the_first_success() {
        let mut circuit = Circuit::default();
        let (mut open, mut now) = (Vec::new(), NOW);
        for _ in 0..12 {
            judge(&mut circuit, Tries::default(), failed(), now, 0.0);
            open.push(circuit.open_until.map(|until| (until - now) / SECOND));
            now = circuit.open_until.unwrap_or(now);
        }
        assert_eq!(open[..7], [None, None, None, None, Some(30), Some(60), Some(120)]);
        assert_eq!(open[11], Some(600));
        assert_eq!(judge(&mut circuit, Tries::default(), Heard::Delivered, now, 0.0), Fate::Delivered);
        assert_eq!(circuit, Circuit::default());
    }

    #[test]
    fn what_was_under_way_when_the_circuit_opened_does_not_open_it_again() {
        let mut circuit = Circuit::default();
        for _ in 0..8 {
            judge(&mut circuit, Tries::default(), failed(), NOW, 0.0);
        }
        assert_eq!((circuit.open_until, circuit.opened, circuit.failures), (Some(NOW + 30 * SECOND), 1, 8));
    }

    #[test]
    fn a_pause_that_was_asked_for_outlasts_a_success() {
        let mut circuit = Circuit::default();
        judge(&mut circuit, Tries::default(), Heard::Failed { pause_ms: Some(90_000) }, NOW, 0.0);
        judge(&mut circuit, Tries::default(), Heard::Delivered, NOW + 1, 0.0);
        assert_eq!((circuit.open_until, circuit.failures), (Some(NOW + 90_000), 0));
        judge(&mut circuit, Tries::default(), Heard::Delivered, NOW + 90_000, 0.0);
        assert_eq!(circuit, Circuit::default());
    }
}
