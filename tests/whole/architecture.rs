//! The allowed edges between our crates, as `ARCHITECTURE.md` draws them. Any other fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

#[rustfmt::skip]
const ALLOWED: &[(&str, &[&str])] = &[
    ("atelier-schemas",     &[]),
    ("atelier-domain",      &[]),
    ("atelier-blobs",       &[]),
    ("atelier-log",         &["atelier-schemas"]),
    ("atelier-runtime",     &["atelier-domain", "atelier-log", "atelier-schemas"]),
    ("atelier-pricing",     &["atelier-blobs", "atelier-log", "atelier-schemas"]),
    ("atelier-store",       &[]),
    ("atelier-projections", &["atelier-domain", "atelier-log", "atelier-schemas", "atelier-store"]),
    ("atelier-webhooks",    &["atelier-log", "atelier-projections", "atelier-schemas", "atelier-store"]),
    ("atelier-partners",    &["atelier-store"]),
    ("atelier-http",        &["atelier-blobs", "atelier-log", "atelier-partners", "atelier-projections", "atelier-schemas",
                              "atelier-webhooks"]),
    ("atelier-cli",         &["atelier-blobs", "atelier-domain", "atelier-http", "atelier-log", "atelier-partners",
                              "atelier-pricing", "atelier-projections", "atelier-runtime", "atelier-schemas", "atelier-store",
                              "atelier-webhooks"]),
];
/// Not part of the product: may use anything of it.
const WORKSHOP: &[&str] = &["atelier-support", "atelier-tests", "atelier-faults", "atelier-simulation", "atelier-benches"];

/// Who may know a foreign crate at all.
#[rustfmt::skip]
const KEPT_BY: &[(&str, &[&str])] = &[
    ("rdkafka",     &["atelier-log", "atelier-benches"]),
    ("sqlx",        &["atelier-store"]),
    ("rusqlite",    &["atelier-log", "atelier-simulation", "atelier-benches"]),
    ("axum",        &["atelier-http", "atelier-cli"]),
    ("object_store",&["atelier-blobs"]),
    ("clap",        &["atelier-cli", "atelier-benches"]),
];

fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path", manifest])
        .output();
    let metadata: Value = serde_json::from_slice(&output.expect("cargo runs").stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            // Tests may use more than what they test.
            let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            let names = normal.filter_map(|dependency| dependency["name"].as_str()).map(str::to_owned).collect();
            (package["name"].as_str().expect("a name").to_owned(), names)
        })
        .collect()
}

#[test]
fn crates_depend_on_each_other_only_as_drawn() {
    let packages = packages();
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).chain(WORKSHOP.iter().copied()).collect();
    let ours: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert_eq!(ours, known, "every crate has its place in the drawing");
    for (name, allowed) in ALLOWED {
        for edge in packages[*name].iter().filter(|edge| ours.contains(edge.as_str())) {
            assert!(allowed.contains(&edge.as_str()), "{name} must not depend on {edge}");
        }
    }
}

#[test]
fn foreign_crates_stay_behind_their_ports() {
    let packages = packages();
    for (foreign, keepers) in KEPT_BY {
        for (name, dependencies) in &packages {
            assert!(!dependencies.contains(*foreign) || keepers.contains(&name.as_str()), "{name} must not know {foreign}");
        }
    }
}
