//! `atelier key`: partners' keys, made, listed and revoked where the accounts are.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use atelier_partners::{KeyInfo, Mode};
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
        KeyAction::Create { partner, class, sandbox, .. } => {
            let made = accounts.create_key(partner, Mode::of(*sandbox), *class, &wiring::random_bytes()?, now_ms).await?;
            let key = made.key.reveal();
            let what = if *sandbox { "Sandbox key" } else { "Key" };
            let text = format!("{key}\n\n{what} {} of {partner}. It is shown this once: keep it where secrets are kept.\n", made.key.id());
            let (class, created_at) = (made.class.as_str(), time_text(now_ms));
            let value = json!({
                "key": key, "key_id": made.key.id(), "partner": partner, "sandbox": sandbox, "class": class, "created_at": created_at,
            });
            (text, value)
        }
        KeyAction::List { partner, .. } => {
            let keys = accounts.keys(partner.as_deref()).await?;
            (table(&keys), json!({"keys": keys.iter().map(value).collect::<Vec<_>>()}))
        }
        KeyAction::Revoke { partner, key_id, .. } => {
            let revoked = accounts.revoke_key(partner, key_id, None, now_ms).await?;
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
        "sandbox": key.mode.is_sandbox(),
        "created_at": time_text(key.created_at),
        "revoked_at": key.revoked_at.map(time_text),
        "last_used_at": key.used_at.map(time_text),
    })
}

fn table(keys: &[KeyInfo]) -> String {
    let mut text = format!("{:<14}{:<42}{:<9}{:<26}{:<26}{}\n", "KEY", "PARTNER", "OPENS", "CREATED", "LAST USED", "STATE");
    for key in keys {
        let state = key.revoked_at.map_or_else(|| "live".into(), |at| format!("revoked {}", time_text(at)));
        let opens = if key.mode.is_sandbox() { "sandbox" } else { "orders" };
        let used = key.used_at.map_or_else(|| "never".into(), time_text);
        let _ = writeln!(text, "{:<14}{:<42}{opens:<9}{:<26}{used:<26}{state}", key.key_id, key.partner, time_text(key.created_at));
    }
    text
}
