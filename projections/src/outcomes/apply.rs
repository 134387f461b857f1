//! How an outcome is kept.

use std::collections::BTreeMap;

use atelier_schemas::{Outcome, OutcomeResult, TimeMs};
use atelier_store::{Conflict, Table, Transaction};

use crate::runner::{Applied, Decoded, ReadModel, park};
use crate::{Error, Model};

const COLUMNS: &[&str] = &["command_id", "decided_at", "outcome"];
/// Repetitions and refusals: the first answer stays.
static ANSWERS: Table = Table::new("outcomes", COLUMNS, 1, Conflict::Keep);
/// What was carried out. A refusal does not use up a key, so the same command may have been refused before.
static ACCEPTANCES: Table = Table::new("outcomes", COLUMNS, 1, Conflict::Replace);

/// When the engine of each partition last decided a command, whatever came of it.
static PARTITIONS: Table = Table::new("outcome_partitions", &["log_partition", "last_at"], 1, Conflict::Replace);

/// Answers older than this, by the log's time, are dropped: whoever waits asks within minutes.
pub const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;
/// How often the old ones are looked for, by the log's time.
const PRUNE_EVERY_MS: i64 = 3600 * 1000;

/// The read model.
#[derive(Default)]
pub(crate) struct Outcomes {
    pruned: TimeMs,
    pruning: Option<TimeMs>,
}

impl ReadModel for Outcomes {
    const MODEL: Model = Model::Outcomes;
    type Body = Outcome;

    async fn apply(&mut self, transaction: &mut Transaction, records: &[Decoded<Outcome>]) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        let mut answers = Vec::with_capacity(records.len());
        let mut acceptances = BTreeMap::new();
        let mut last_at = BTreeMap::new();
        let mut newest = 0;
        for record in records {
            match &record.body {
                Ok(outcome) => {
                    let json = serde_json::to_string(outcome).expect("plain fields become JSON");
                    let row = vec![outcome.command_id.into(), outcome.time.into(), json.as_str().into()];
                    if matches!(outcome.result, OutcomeResult::Accepted { repeated: false, dry_run: false, .. }) {
                        acceptances.insert(outcome.command_id, row);
                    } else {
                        answers.push(row);
                    }
                    last_at.insert(record.partition, outcome.time);
                    newest = newest.max(outcome.time.min(record.time));
                    applied.records += 1;
                }
                // Answers do not build on one another: the order's next one is as good as any.
                Err(reason) => {
                    park(transaction, Model::Outcomes, record, reason).await?;
                    applied.note(Model::Outcomes, record, reason);
                }
            }
        }
        ANSWERS.write(transaction, answers).await?;
        ACCEPTANCES.write(transaction, acceptances.into_values().collect()).await?;
        let last_at = last_at.into_iter().map(|(partition, at)| vec![i64::from(partition).into(), at.into()]);
        PARTITIONS.write(transaction, last_at.collect()).await?;
        if newest > self.pruned + PRUNE_EVERY_MS {
            transaction.execute("DELETE FROM outcomes WHERE decided_at < $1", [(newest - KEPT_MS).into()]).await?;
            self.pruning = Some(newest);
        }
        Ok(applied)
    }

    fn committed(&mut self) {
        if let Some(at) = self.pruning.take() {
            self.pruned = at;
        }
    }

    fn forget(&mut self) {
        self.pruning = None;
    }
}
