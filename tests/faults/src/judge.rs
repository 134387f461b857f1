//! What the independent reader, the acknowledgements and the audit say.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use atelier_log::Log;
use atelier_tests::independent::Books;
use serde_json::Value;

use crate::poison::{Poisoned, UNREADABLE_EVENT};
use crate::{Outcome, text};

const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Problems of an audit that are quoted.
const QUOTED: usize = 10;

/// Remembers what has been seen and promised.
pub(crate) struct Judge {
    books: Books,
    acknowledged: Vec<Value>,
    /// What the audit has to name, and nothing else.
    poisoned: BTreeSet<Poisoned>,
    promises: usize,
}

impl Judge {
    pub(crate) fn new(partitions: u32) -> Self {
        Self { books: Books::new(partitions), acknowledged: Vec::new(), poisoned: BTreeSet::new(), promises: 0 }
    }

    /// These have to be kept.
    pub(crate) fn acknowledged(&mut self, acks: impl IntoIterator<Item = Value>) {
        self.acknowledged.extend(acks);
    }

    /// The same, as a load has noted them.
    pub(crate) fn noted(&mut self, file: &Path) -> Outcome<()> {
        for line in std::fs::read_to_string(file).map_err(text)?.lines() {
            self.acknowledged.push(serde_json::from_str(line).map_err(text)?);
        }
        Ok(())
    }

    pub(crate) fn poisoned(&mut self, records: Vec<Poisoned>) {
        self.books.foreign_events(records.iter().filter(|record| record.kind == UNREADABLE_EVENT).map(|record| record.key.clone()));
        self.poisoned.extend(records);
    }

    /// What the rules say about what was written meanwhile; the log may be moving.
    pub(crate) fn looks(&mut self, log: &dyn Log) -> Vec<String> {
        self.books.read(log);
        self.books.take_violations()
    }

    /// The same, and what must hold once all is done: waits at most `limit` for it.
    pub(crate) fn settled(&mut self, log: &dyn Log, limit: Duration) -> Vec<String> {
        let started = Instant::now();
        let mut broken = self.looks(log);
        loop {
            let open = self.books.unsettled(log);
            if open.is_empty() {
                break;
            }
            if started.elapsed() > limit {
                broken.extend(open);
                break;
            }
            std::thread::sleep(LOOK_AGAIN);
            broken.extend(self.looks(log));
        }
        self.promises += self.acknowledged.len();
        broken.extend(self.acknowledged.drain(..).filter_map(|ack| self.books.unkept(&ack)));
        broken
    }

    /// What is wrong with an answer of `atelier audit --json`: it must balance, but for the records that we have
    /// poisoned. Of an event the read models that have set its key aside are named too.
    pub(crate) fn audited(&self, output: &Output) -> Vec<String> {
        let report: Value = match serde_json::from_slice(&output.stdout) {
            Ok(report) => report,
            Err(error) => {
                return vec![format!("the audit ended with {}: {error}; {}", output.status, String::from_utf8_lossy(&output.stderr))];
            }
        };
        let mut broken = Vec::new();
        let mut named = BTreeSet::new();
        for problem in report["problems"].as_array().into_iter().flatten() {
            let id = problem["id"].as_str().unwrap_or_default();
            let kind = problem["kind"].as_str().unwrap_or_default();
            let ours = |kind: &str| self.poisoned.iter().find(|record| record.key == id && record.kind == kind);
            let set_aside = kind == "parked" && ours(UNREADABLE_EVENT).is_some();
            if let Some(record) = ours(kind) {
                named.insert(record.clone());
            } else if !set_aside && broken.len() < QUOTED {
                broken.push(format!("audit: {problem}"));
            }
        }
        broken.extend(self.poisoned.difference(&named).map(|Poisoned { key, kind }| format!("the audit does not name {key} as {kind}")));
        let expected = if self.poisoned.is_empty() { Some(0) } else { Some(1) };
        if broken.is_empty() && (output.status.code() != expected || report["balanced"] != (expected == Some(0))) {
            broken.push(format!("the audit ended with {}: {report}", output.status));
        }
        for of in ["commands", "orders"] {
            let number = |name: &str| report[of][name].as_u64().unwrap_or_default();
            if number("accepted") != number("done") + number("failed") + number("open") {
                broken.push(format!("audit: {of} {}", report[of]));
            }
        }
        broken
    }

    /// What was judged, in words.
    pub(crate) fn seen(&self) -> String {
        let Books { commands, events, orders, .. } = &self.books;
        format!("{commands} commands, {events} events of {} orders, {} acknowledgements kept", orders.len(), self.promises)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use serde_json::json;

    use super::*;
    use crate::poison::UNREADABLE_JOB;

    fn audit(code: i32, problems: &Value) -> Output {
        let equation = json!({"accepted": 2, "done": 1, "failed": 1, "open": 0});
        let report = json!({"balanced": code == 0, "commands": equation, "orders": equation, "problems": problems});
        Output { status: ExitStatus::from_raw(code << 8), stdout: report.to_string().into_bytes(), stderr: Vec::new() }
    }

    #[test]
    fn an_audit_may_name_what_we_have_poisoned_and_must() {
        let mut judge = Judge::new(1);
        assert_eq!(judge.audited(&audit(0, &json!([]))), [""; 0]);
        let named = json!([{"kind": "unreadable_job", "id": "poison-1", "detail": ""}]);
        assert_eq!(judge.audited(&audit(1, &named)).len(), 1, "nobody has poisoned anything");
        judge.poisoned(vec![Poisoned { key: "poison-1".into(), kind: UNREADABLE_JOB }]);
        assert_eq!(judge.audited(&audit(1, &named)), [""; 0]);
        assert_eq!(judge.audited(&audit(0, &json!([]))), ["the audit does not name poison-1 as unreadable_job"]);
        let other = json!([{"kind": "unreadable_job", "id": "poison-1", "detail": ""}, {"kind": "missing_event", "id": "x", "detail": ""}]);
        assert_eq!(judge.audited(&audit(1, &other)).len(), 1);
        assert_eq!(judge.audited(&audit(2, &named)).len(), 1, "it could not tell");
    }

    #[test]
    fn of_a_poisoned_event_the_read_models_that_set_it_aside_may_be_named_too() {
        let mut judge = Judge::new(1);
        let parked = json!({"kind": "parked", "id": "poison-event-1", "detail": ""});
        assert_eq!(judge.audited(&audit(1, &json!([parked]))).len(), 1, "nobody has poisoned anything");
        judge.poisoned(vec![Poisoned { key: "poison-event-1".into(), kind: UNREADABLE_EVENT }]);
        assert_eq!(judge.audited(&audit(1, &json!([parked]))), ["the audit does not name poison-event-1 as unreadable_event"]);
        let named = json!([parked, {"kind": "unreadable_event", "id": "poison-event-1", "detail": ""}]);
        assert_eq!(judge.audited(&audit(1, &named)), [""; 0]);
        let as_job = json!([{"kind": "unreadable_job", "id": "poison-event-1", "detail": ""}]);
        assert_eq!(judge.audited(&audit(1, &as_job)).len(), 2);
    }
}
