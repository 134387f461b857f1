//! `atelier chaos`: its plan, and a short run of it.

use serde_json::Value;

use crate::roles::House;
use crate::servers::on_servers;

fn house() -> (tempfile::TempDir, House) {
    let folder = tempfile::tempdir().unwrap();
    let house = House { data: folder.path().to_owned(), settings: vec![] };
    (folder, house)
}

#[test]
fn every_kind_of_fault_on_the_embedded_log_is_recovered_from_and_nothing_is_missing() {
    let (folder, house) = house();
    let output = house.run(&["chaos", "--seed", "3", "--faults", "5", "--recover-within", "5m", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["sound"], &report["audit"]["balanced"]), (&Value::Bool(true), &Value::Bool(true)), "{report}");
    assert!(report["acknowledged"].as_u64() > Some(50), "the load was at work: {report}");
    let messages = &report["audit"]["webhooks"]["reconciled"];
    assert!(messages["due"].as_u64() > Some(0) && messages["delivered"] == messages["due"], "the partner was told: {report}");
    let faults = report["tally"]["faults"].as_object().unwrap();
    assert_eq!(faults.len(), 5, "each kind once: {report}");
    assert!(faults.values().all(|row| row["longest_recovery_ms"].as_u64() > Some(0)), "{report}");

    // The folder is the user's, and it holds a log now.
    let again = house.run(&["chaos"]);
    let complaint = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("empty folder") && complaint.contains(&folder.path().display().to_string()), "{complaint}");
}

/// A worker of pricing is paused; one that sends webhooks, an engine and the gateway are killed.
#[test]
fn faults_on_kafka_and_postgresql_are_recovered_from_and_nothing_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let house = House { data: folder.path().to_owned(), settings: on_servers("chaos") };
    let output = house.run(&["chaos", "--seed", "4", "--faults", "4", "--recover-within", "5m", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["sound"], Value::Bool(true), "{report}");
    let messages = &report["audit"]["webhooks"]["reconciled"];
    assert!(messages["due"].as_u64() > Some(0) && messages["delivered"] == messages["due"], "the partner was told: {report}");
}

#[test]
fn a_plan_is_only_printed_and_the_same_for_the_same_seed() {
    let (folder, house) = house();
    let plan = |args: &[&str]| {
        let output = house.run(&[&["chaos", "--plan", "--faults", "12"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let first = plan(&["--seed", "7"]);
    assert_eq!((first.lines().count(), &first), (12, &plan(&["--seed", "7"])));
    assert_ne!(first, plan(&["--seed", "8"]));
    assert!(first.contains("kill: up") && !first.contains("engine"), "{first}");
    let apart = plan(&["--log", "kafka://127.0.0.1:1", "--json"]);
    let steps: Value = serde_json::from_str(&apart).unwrap();
    assert!(steps.as_array().unwrap().iter().any(|step| step["kind"] == "storm: engine"), "{apart}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was started");
}
