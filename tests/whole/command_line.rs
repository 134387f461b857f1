//! The command line: what it prints, what it refuses, and its exit codes.

use std::process::Output;

use serde_json::{Value, json};

use crate::roles::{House, http};

fn house() -> (tempfile::TempDir, House) {
    let folder = tempfile::tempdir().unwrap();
    let house = House { data: folder.path().to_owned(), settings: vec![] };
    (folder, house)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_order_is_seen_the_same_by_shop_log_replay_and_audit() {
    let (_folder, house) = house();
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    let body = json!({"customer": {"name": "Ada Lovelace", "email": "ada@example.org"}, "item": {"material": "silver-925", "quantity": 1, "finish": "polished"}});
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "one")];
    let (status, answer) = http(&url, "POST", "/shop/v1/orders", &headers, body.to_string().as_bytes());
    assert_eq!(status, 201, "{answer}");
    let created: Value = serde_json::from_str(&answer).unwrap();
    let id = created["order_id"].as_str().unwrap();
    let (status, answer) = http(&url, "GET", &format!("/shop/v1/orders/{id}?wait_version=1"), &[], b"");
    assert_eq!(status, 200, "{answer}");

    // Beside the process that has the log.
    let order = house.run(&["order", id, "--json"]);
    let seen: Value = serde_json::from_str(&stdout(&order)).unwrap();
    assert_eq!((seen["status"].as_str(), seen["version"].as_i64()), (Some("INITIATED"), Some(1)));
    assert!(stdout(&house.run(&["order", id])).contains("OrderCreated"));
    let replay = stdout(&house.run(&["replay", "--order", id, "--type", "OrderCreated"]));
    let line: Value = serde_json::from_str(&replay).unwrap();
    assert_eq!(line["order_id"].as_str(), Some(id));
    let cloud = stdout(&house.run(&["replay", "--order", id, "--format", "cloudevents"]));
    let cloud: Value = serde_json::from_str(&cloud).unwrap();
    assert_eq!((&cloud["specversion"], &cloud["data"]), (&json!("1.0"), &line));
    assert!(!replay.contains("Ada") && !replay.contains("example.org"), "no personal data leaves: {replay}");
    let before = house.run(&["order", id, "--at", "2001-01-01T00:00:00Z"]);
    assert_eq!(before.status.code(), Some(1), "it did not exist then");
    let audit = house.run(&["audit"]);
    assert!(audit.status.success(), "{}", stdout(&audit));
    assert!(stdout(&audit).contains("orders    accepted 1 = done 0 + failed 0 + open 1"), "{}", stdout(&audit));
    let gaps = house.run(&["gaps"]);
    assert_eq!((gaps.status.code(), stdout(&gaps).as_str()), (Some(0), "no gap is open\n"));

    // A second one on the same folder is told who has it.
    let second = refused(&house.run(&["up", "--listen", "127.0.0.1:0"]));
    assert!(second.contains("pid") && second.contains("atelier"), "{second}");
    assert!(up.end(), "{}", up.messages());
    let messages = up.messages();
    assert!(!messages.contains("Ada") && !messages.contains("example.org"), "no personal data in the log lines: {messages}");
}

#[test]
fn a_repair_is_a_dry_run_until_it_is_applied_and_says_what_is_allowed() {
    let (_folder, house) = house();
    let mut up = house.start("up", &["up", "--listen", "127.0.0.1:0"]);
    let url = up.url();
    let body = json!({"customer": {"name": "Ada", "email": "ada@example.org"}, "item": {"material": "silver-925", "quantity": 1, "finish": "polished"}});
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "one")];
    let (_, answer) = http(&url, "POST", "/shop/v1/orders", &headers, body.to_string().as_bytes());
    let created: Value = serde_json::from_str(&answer).unwrap();
    let id = created["order_id"].as_str().unwrap();
    http(&url, "GET", &format!("/shop/v1/orders/{id}?wait_version=1"), &[], b"");

    let shown = stdout(&house.run(&["repair", id, "--url", &url]));
    assert!(shown.contains("INITIATED, version 1") && shown.contains("cancel"), "{shown}");
    let would = stdout(&house.run(&["repair", id, "cancel", "--reason", "asked by phone", "--url", &url]));
    assert!(would.contains("CANCELLED, version 2") && would.contains("--apply"), "{would}");
    assert!(stdout(&house.run(&["order", id])).contains("version 1"), "a dry run changes nothing");
    let cancel = ["repair", id, "cancel", "--reason", "asked by phone", "--staff", "vera", "--apply", "--url", &url];
    let done = house.run(&cancel);
    assert!(done.status.success() && stdout(&done).contains("CANCELLED, version 2"), "{done:?}");
    let timeline = stdout(&house.run(&["order", id]));
    assert!(timeline.contains("admin vera"), "{timeline}");
    http(&url, "GET", &format!("/shop/v1/orders/{id}?wait_version=2"), &[], b"");
    let again = house.run(&["repair", id, "hold", "--reason", "wait", "--url", &url]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("allowed now: nothing"), "{again:?}");
    let without = refused(&house.run(&["repair", id, "hold", "--url", &url]));
    assert!(without.contains("--reason"), "{without}");
    let nobody = refused(&house.run(&["repair", id, "--url", "http://127.0.0.1:9"]));
    assert!(nobody.contains("--url") && nobody.contains("gateway"), "{nobody}");
    assert!(up.end(), "{}", up.messages());
}

#[test]
fn wrong_flags_are_refused_with_what_is_right() {
    let (folder, house) = house();
    let log = refused(&house.run(&["audit", "--log", "kafka:/k1"]));
    assert!(log.contains("--log") && log.contains("kafka://host:port"), "{log}");
    let store = refused(&house.run(&["audit", "--store", "mysql://x"]));
    assert!(store.contains("--store") && store.contains("postgres://"), "{store}");
    let listen = refused(&house.run(&["gateway", "shop", "--listen", "nowhere"]));
    assert!(listen.contains("--listen"), "{listen}");
    let cause = refused(&house.run(&["gaps", "--cause", "boredom"]));
    assert!(cause.contains("--cause") && cause.contains("no_operator"), "{cause}");
    let state = refused(&house.run(&["gaps", "--open", "--all"]));
    assert!(state.contains("cannot be used with"), "{state}");
    let role = refused(&house.run(&["up", "--without", "engine"]));
    assert!(role.contains("--without") && role.contains("pricing"), "{role}");
    let kind = refused(&house.run(&["replay", "--type", "OrderLost"]));
    assert!(kind.contains("OrderShipped"), "{kind}");

    std::fs::write(folder.path().join("atelier.toml"), "lgo = \"embedded\"\n").unwrap();
    let key = refused(&house.run(&["audit"]));
    assert!(key.contains("`lgo` is not a setting") && key.contains("log,"), "{key}");
    std::fs::write(folder.path().join("atelier.toml"), "log = \"file\"\n").unwrap();
    let value = refused(&house.run(&["audit"]));
    assert!(value.contains("`log` is set in atelier.toml"), "{value}");
}

#[test]
fn the_environment_wins_over_the_file_and_the_flag_over_both() {
    let (folder, mut house) = house();
    std::fs::write(folder.path().join("atelier.toml"), "log = \"kafka://127.0.0.1:1\"\n").unwrap();
    house.settings.push(("ATELIER_LOG", "kafka://127.0.0.1:2".into()));
    let by_environment = refused(&house.run(&["audit"]));
    assert!(by_environment.contains("127.0.0.1:2"), "{by_environment}");
    let by_flag = refused(&house.run(&["audit", "--log", "kafka://127.0.0.1:3"]));
    assert!(by_flag.contains("127.0.0.1:3"), "{by_flag}");
}

#[test]
fn servers_that_do_not_answer_are_named_without_their_password() {
    let (_folder, house) = house();
    let log = refused(&house.run(&["engine", "--log", "kafka://127.0.0.1:9"]));
    assert!(log.contains("127.0.0.1:9"), "{log}");
    let store = refused(&house.run(&["projections", "--store", "postgres://u:hunter2@127.0.0.1:9/d"]));
    assert!(store.contains("127.0.0.1:9") && !store.contains("hunter2"), "{store}");
}

#[test]
fn without_a_log_nobody_can_tell_of_gaps() {
    let (_folder, house) = house();
    refused(&house.run(&["gaps"]));
    let away = refused(&house.run(&["gaps", "--log", "kafka://127.0.0.1:9"]));
    assert!(away.contains("127.0.0.1:9"), "{away}");
}

#[test]
fn staff_surfaces_are_not_opened_to_a_network_without_a_login() {
    let (_folder, house) = house();
    let refused = refused(&house.run(&["gateway", "mes", "--listen", "0.0.0.0:0"]));
    assert!(refused.contains("login"), "{refused}");
}

#[test]
fn help_and_completions_are_there() {
    let (_folder, house) = house();
    let commands = ["demo", "audit", "gaps", "replay", "repair"];
    let helps = commands.map(|command| vec![command, "--help"]);
    for args in std::iter::once(vec!["--help"]).chain(helps) {
        let help = house.run(&args);
        assert!(help.status.success() && stdout(&help).contains("Example"), "{args:?}: {}", stdout(&help));
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&house.run(&["completions", shell])).contains("replay"));
    }
}
