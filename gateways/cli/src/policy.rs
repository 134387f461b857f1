//! The policy file: read at the start, and again whenever it changes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atelier_domain::Policy;
use atelier_projections::Keep;
use atelier_runtime::PolicyInForce;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::Failure;
use crate::settings::Settings;
use crate::wiring;

/// How often the file is looked at. It is small, and reading it also sees a file that was put in another's place.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The policy. Unless it says itself what is made, that is what the price book has a price for.
pub(crate) fn policy(settings: &Settings) -> Result<Policy, Failure> {
    let text = settings.policy.as_deref().map(read).transpose()?;
    parse(settings, text.as_deref())
}

/// The same in force, which follows the file. Within a runtime.
pub(crate) fn in_force(settings: &Settings) -> Result<PolicyInForce, Failure> {
    let policy = PolicyInForce::new(policy(settings)?);
    tokio::spawn(follow(settings.clone(), policy.clone()));
    Ok(policy)
}

/// How long closed gaps are kept under it.
pub(crate) fn keep(policy: PolicyInForce) -> Keep {
    Arc::new(move || policy.current().closed_gaps_kept_ms)
}

/// Follows the file for as long as the process runs. One that cannot be gone by is named and the policy in
/// force stays.
async fn follow(settings: Settings, in_force: PolicyInForce) {
    let Some(path) = settings.policy.clone() else { return };
    let mut known = read(&path).ok();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let text = read(&path);
        if text.as_ref().ok() == known.as_ref() {
            continue;
        }
        known = text.as_ref().ok().cloned();
        match text.and_then(|text| parse(&settings, Some(&text))) {
            Ok(policy) => {
                tracing::info!(policy = policy.version, before = in_force.current().version, "another policy is in force");
                in_force.replace(policy);
            }
            Err(error) => tracing::error!(%error, policy = in_force.current().version, "the policy in force stays"),
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read the policy {}: {error}; correct --policy", path.display()).into())
}

/// What a file says itself.
#[derive(Deserialize)]
struct Said {
    finishes: Option<IgnoredAny>,
}

fn parse(settings: &Settings, text: Option<&str>) -> Result<Policy, Failure> {
    let place = || settings.policy.as_deref().map_or_else(String::new, |path| path.display().to_string());
    let mut policy: Policy = match text {
        Some(text) => serde_json::from_str(text).map_err(|error| format!("the policy {}: {error}", place()))?,
        None => Policy::default(),
    };
    policy.check().map_err(|error| format!("the policy {}: {error}", place()))?;
    let book = wiring::price_book(settings)?;
    if policy.materials.is_empty() {
        policy.materials = book.alloys.keys().cloned().collect();
    }
    // An empty list does not tell: where the file has none, the policy's own default stands there.
    let says_finishes = text.is_some_and(|text| serde_json::from_str::<Said>(text).is_ok_and(|said| said.finishes.is_some()));
    if policy.finishes.is_empty() || !says_finishes {
        policy.finishes = book.finishes.keys().cloned().collect();
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn what_the_file_does_not_say_is_made_as_the_price_book_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, book) = (folder.path().join("policy.json"), folder.path().join("book.json"));
        let text = include_str!("../../../engine/pricing/data/price-book.json");
        std::fs::write(&book, text.replace("\"finish\": \"raw\"", "\"finish\": \"brushed\"").replace("silver-925", "silver-999")).unwrap();
        let args = ["atelier", "engine", "--policy", file.to_str().unwrap(), "--price-book", book.to_str().unwrap()];
        let settings = Cli::try_parse_from(args).unwrap().settings;
        let made = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let policy = policy(&settings).unwrap();
            (policy.materials.contains(&"silver-999".to_owned()), policy.finishes)
        };
        let of_the_book = ["brushed", "matte", "polished"].map(String::from).to_vec();
        assert_eq!(made(r#"{"version": "v"}"#), (true, of_the_book.clone()));
        assert_eq!(made(r#"{"version": "v", "materials": [], "finishes": []}"#), (true, of_the_book));
        let said = made(r#"{"version": "v", "materials": ["gold-585-rose"], "finishes": ["raw"]}"#);
        assert_eq!(said, (false, vec!["raw".to_owned()]));
    }
}
