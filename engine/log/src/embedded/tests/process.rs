//! Two processes: one folder, and a process that is killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

/// Tells a process of this test binary which folder to take.
const FOLDER: &str = "ATELIER_TEST_FOLDER";

/// Runs [`the_other_process`] in a process of its own.
fn other_process(dir: &std::path::Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "embedded::tests::process::the_other_process", "--nocapture", "--test-threads=1"])
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test of its own: commits without end and says what was confirmed, or why it cannot.
#[test]
fn the_other_process() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    match Embedded::open(dir.as_ref(), 1) {
        Err(error) => println!("\nrefused: {error}"),
        Ok(log) => {
            let mut owner = owner(&log);
            for number in log.committed("engine", 0).unwrap().. {
                owner.commit(&transaction(number, &number.to_le_bytes())).unwrap();
                println!("\nconfirmed: {number}");
            }
        }
    }
}

fn lines(child: &mut Child, prefix: &'static str) -> impl Iterator<Item = String> + use<> {
    let output = BufReader::new(child.stdout.take().unwrap());
    output.lines().filter_map(move |line| Some(line.unwrap().strip_prefix(prefix)?.to_owned()))
}

#[test]
fn a_second_process_is_refused_by_name_and_pid() {
    let dir = folder();
    let _log = Embedded::open(dir.path(), 1).unwrap();
    let mut child = other_process(dir.path());
    // The pipe stays open until it has ended.
    let mut output = lines(&mut child, "");
    let refused = output.find(|line| line.starts_with("refused: ") || line.starts_with("confirmed: ")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(refused.starts_with("refused: "), "the other process got the folder");
    let name = std::env::current_exe().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    let holder = format!("{name} (pid {})", std::process::id());
    assert!(refused.contains(&holder), "{refused}");
    assert!(refused.contains(&dir.path().display().to_string()) && refused.contains("stop that process"), "{refused}");
}

#[test]
fn what_a_killed_process_confirmed_is_there() {
    let dir = folder();
    let mut enough = 3;
    for _ in 0..4 {
        let mut child = other_process(dir.path());
        let confirmed: u64 = lines(&mut child, "confirmed: ").nth(enough).expect("it commits").parse().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let log = Embedded::open(dir.path(), 1).unwrap();
        let committed = log.committed("engine", 0).unwrap();
        assert!(committed > confirmed, "{confirmed} was confirmed, {committed} are there");
        for topic in [Topic::Events, Topic::Outcomes] {
            let records = all(&log, topic);
            assert_eq!(records.len() as u64, committed, "{topic} and the offset are of one transaction");
            for (number, record) in (0_u64..).zip(&records) {
                assert_eq!(record.payload, number.to_le_bytes());
            }
        }
        enough = enough * 3 + 7;
    }
}
