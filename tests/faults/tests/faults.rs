//! Every kind of fault once; `cargo run --release -p atelier-faults` inflicts hundreds.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atelier_faults::{Kind, Options, run};

/// Long enough for whatever ends by itself once its parent is gone.
const GONE_WITHIN: Duration = Duration::from_secs(300);

/// Three Kafka nodes and eight roles are enough for one machine.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_kind_of_fault_is_recovered_from_and_nothing_is_lost_doubled_or_out_of_order() {
    let kinds = Kind::ALL.to_vec();
    let faults = u32::try_from(kinds.len()).expect("a few");
    let _alone = alone();
    let recover_within = Duration::from_secs(300);
    let options = Options { seed: 1, faults, kinds, checkpoint_every: 13, recover_within, table: None, state: None };
    let tally = run(&options).expect("everything can be started");
    assert_eq!(tally.times(), u64::from(faults));
    assert!(tally.violations().is_empty(), "{tally}\n{}", tally.violations().join("\n"));
}

/// All that descend from a process: their ids and when each began, which tells one from another that has its id later.
fn descendants(of: u32) -> BTreeSet<(u32, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").expect("a system with /proc").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold anything; the parent is the second field after it, the start the twentieth.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // A zombie has ended.
        if fields[0] != "Z" {
            all.push((id, fields[1].parse::<u32>().expect("the id of the parent"), fields[19].to_owned()));
        }
    }
    let (mut found, mut parents) = (BTreeSet::new(), vec![of]);
    while let Some(parent) = parents.pop() {
        for (id, _, began) in all.iter().filter(|(_, its, _)| *its == parent) {
            found.insert((*id, began.clone()));
            parents.push(*id);
        }
    }
    found
}

fn runs((id, began): &(u32, String)) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.first().is_some_and(|state| *state != "Z") && fields.get(19) == Some(&began.as_str())
}

/// As a shell starts it in the background: SIGINT is ignored.
#[test]
fn a_run_that_is_told_to_end_ends_with_everything_it_started() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let mut kit = Command::new("env")
        .args(["--ignore-signal=INT", env!("CARGO_BIN_EXE_faults"), "--faults", "1", "--kind", "pricing-killed"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = BufReader::new(kit.stdout.take().expect("its output")).lines();
    let works = said.find(|line| line.as_ref().is_ok_and(|line| line.contains("roles work after")));
    assert!(works.is_some(), "it ended before everything worked");
    let started = descendants(kit.id());
    assert!(started.len() >= 3 + 1 + 8, "three nodes, PostgreSQL and the roles: {started:?}");
    let told = Command::new("kill").args(["-INT", &kit.id().to_string()]).status().expect("kill runs");
    assert!(told.success());
    assert_eq!(kit.wait().expect("it ends").code(), Some(130));
    let asked = Instant::now();
    while started.iter().any(runs) {
        let left: Vec<_> = started.iter().filter(|process| runs(process)).collect();
        assert!(asked.elapsed() < GONE_WITHIN, "still there: {left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
