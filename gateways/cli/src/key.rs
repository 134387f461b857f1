//! `atelier key`: partners' keys, made, listed and revoked where the accounts are.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use atelier_partners::KeyInfo;
use serde_json::json;

use crate::Failure;
use crate::cli::{KeyAction, KeyArgs};
use crate::publish::time_text;
use crate::settings::Settings;
use crate::wiring;

/// Does what was asked.
pub(crate) async fn run(settings: &Settings, args: &KeyArgs) -> Result<ExitCode, Failure> {
    let accounts = wiring::accounts(settings).await?;
    let now_ms = (wiring::clock())();
    let (text, value) = match &args.action {
        KeyAction::Create { partner, class, .. } => {
            let made = accounts.create_key(partner, *class, &wiring::random_bytes()?, now_ms).await?;
            let key = made.key.reveal();
            let text = format!("{key}\n\nKey {} of {partner}. It is shown this once: keep it where secrets are kept.\n", made.key.id());
            let class = made.class.as_str();
            (text, json!({"key": key, "key_id": made.key.id(), "partner": partner, "class": class, "created_at": time_text(now_ms)}))
        }
        KeyAction::List { partner, .. } => {
            let keys = accounts.keys(partner.as_deref()).await?;
            (table(&keys), json!({"keys": keys.iter().map(value).collect::<Vec<_>>()}))
        }
        KeyAction::Revoke { partner, key_id, .. } => {
            let revoked = accounts.revoke_key(partner, key_id, now_ms).await?;
            (format!("Key {key_id} of {partner} opens nothing any more.\n"), value(&revoked))
        }
    };
    let mut out = std::io::stdout().lock();
    if args.action.json() {
        writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?
    } else {
        write!(out, "{text}")?
    }
    Ok(ExitCode::SUCCESS)
}

fn value(key: &KeyInfo) -> serde_json::Value {
    json!({
        "key_id": key.key_id,
        "partner": key.partner,
        "created_at": time_text(key.created_at),
        "revoked_at": key.revoked_at.map(time_text),
        "last_used_at": key.used_at.map(time_text),
    })
}

fn table(keys: &[KeyInfo]) -> String {
    let mut text = format!("{:<14}{:<42}{:<26}{:<26}{}\n", "KEY", "PARTNER", "CREATED", "LAST USED", "STATE");
    for key in keys {
        let state = key.revoked_at.map_or_else(|| "live".into(), |at| format!("revoked {}", time_text(at)));
        let used = key.used_at.map_or_else(|| "never".into(), time_text);
        let _ = writeln!(text, "{:<14}{:<42}{:<26}{used:<26}{state}", key.key_id, key.partner, time_text(key.created_at));
    }
    text
}
