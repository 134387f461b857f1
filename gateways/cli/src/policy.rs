//! The policy file: read at the start, and again whenever it changes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atelier_domain::Policy;
use atelier_projections::Keep;
use atelier_runtime::PolicyInForce;

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
    if policy.finishes.is_empty() || settings.policy.is_none() {
        policy.finishes = book.finishes.keys().cloned().collect();
    }
    Ok(policy)
}
