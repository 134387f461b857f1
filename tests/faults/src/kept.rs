//! How far a run is, in a file, and its table in another.

use std::path::Path;

use atelier_cli::trials::Tally;
use serde::{Deserialize, Serialize};

use crate::run::Options;
use crate::{Outcome, text};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Which run.
    pub(crate) of: Of,
    /// Rounds that are over, from one checkpoint to the next.
    pub(crate) rounds: usize,
    /// Of these, and of a round that the run could not end: that one is inflicted once more, and counted once more.
    pub(crate) tally: Tally,
}

/// What decides which faults are inflicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Of {
    seed: u64,
    faults: u32,
    kinds: Vec<String>,
    checkpoint_every: usize,
}

impl Kept {
    /// Of these options: what the file says, or the beginning.
    pub(crate) fn read(options: &Options) -> Outcome<Self> {
        let Options { seed, faults, kinds, checkpoint_every, .. } = options;
        let kinds = kinds.iter().map(ToString::to_string).collect();
        let of = Of { seed: *seed, faults: *faults, kinds, checkpoint_every: *checkpoint_every };
        let begin = Self { of, rounds: 0, tally: Tally::default() };
        let Some(path) = options.state.as_deref().filter(|path| path.exists()) else { return Ok(begin) };
        let kept: Self = std::fs::read_to_string(path)
            .map_err(text)
            .and_then(|json| serde_json::from_str(&json).map_err(text))
            .map_err(|why| format!("{} does not say how far a run is: {why}; name another file for --state", path.display()))?;
        if kept.of != begin.of {
            return Err(format!("{} is of another run: {:?}; name another file for --state", path.display(), kept.of));
        }
        Ok(kept)
    }

    /// Writes what the options ask for; each file is there as a whole or as it was.
    pub(crate) fn write(&self, options: &Options) -> Outcome<()> {
        if let Some(path) = &options.state {
            whole(path, &serde_json::to_string(self).map_err(text)?)?;
        }
        if let Some(path) = &options.table {
            whole(path, &self.table())?;
        }
        Ok(())
    }

    fn table(&self) -> String {
        let Of { seed, faults, .. } = self.of;
        let broken: String = self.tally.violations().iter().map(|what| format!("- {what}\n")).collect();
        let times = self.tally.times();
        format!("`--seed {seed} --faults {faults}`, {times} of {faults} faults inflicted.\n\n{}\n{broken}", self.tally.markdown())
    }
}

fn whole(path: &Path, content: &str) -> Outcome<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, content).and_then(|()| std::fs::rename(&beside, path)).map_err(|why| format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Kind;

    #[test]
    fn a_run_goes_on_from_its_file_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, table) = (folder.path().join("state.json"), folder.path().join("table.md"));
        let options = Options {
            seed: 7,
            faults: 16,
            kinds: Kind::ALL.to_vec(),
            checkpoint_every: 8,
            recover_within: Duration::from_secs(1),
            table: Some(table.clone()),
            state: Some(state),
        };
        let mut kept = Kept::read(&options).expect("nothing is there");
        assert_eq!((kept.rounds, kept.tally.times()), (0, 0));
        kept.tally.add(Kind::KillEngine, Some(Duration::from_secs(2)));
        kept.tally.violation(Kind::KillEngine, "an order stands still");
        kept.rounds = 1;
        kept.write(&options).expect("written");
        assert_eq!(Kept::read(&options), Ok(kept));
        let text = std::fs::read_to_string(table).expect("the table");
        assert!(text.contains("1 of 16 faults") && text.contains("| engine-killed | 1 | 1 | 2.0 s |"), "{text}");
        assert!(text.contains("- engine-killed: an order stands still"), "{text}");
        let other = Options { seed: 8, ..options };
        assert!(Kept::read(&other).is_err_and(|why| why.contains("another run")));
    }
}
