//! `atelier endpoint`: what staff may do about messages that do not arrive, where they are kept.

use std::io::Write as _;
use std::process::ExitCode;

use atelier_webhooks::{Refused, Resend, Wish};
use serde_json::json;

use crate::Failure;
use crate::cli::{EndpointAction, EndpointArgs};
use crate::settings::Settings;
use crate::wiring;

/// Does what was asked.
pub(crate) async fn run(settings: &Settings, args: &EndpointArgs) -> Result<ExitCode, Failure> {
    let id = args.action.endpoint();
    let unknown =
        || format!("there is no endpoint {id} in {}; `atelier gaps` shows endpoints with their ids", wiring::webhooks_place(settings));
    let store = wiring::webhooks_store_if_any(settings).await?.ok_or_else(unknown)?;
    let endpoints = wiring::endpoints(settings, store, None)?;
    let partner = match endpoints.partner_of(id).await {
        Err(Refused::Unknown) => return Err(unknown().into()),
        partner => partner?,
    };
    let (text, value) = match &args.action {
        EndpointAction::Enable { .. } => {
            endpoints.update(&partner, id, Wish { enabled: Some(true), ..Wish::default() }).await?;
            ("is enabled; what has waited is sent, from the first on".to_owned(), json!({"endpoint_id": id, "partner": partner}))
        }
        EndpointAction::Resend { since, .. } => {
            let which = since.map_or(Resend::Failed(0), Resend::Since);
            let messages = match endpoints.resend(&partner, id, which).await {
                Err(Refused::Disabled) => {
                    return Err(format!("the endpoint is disabled; `atelier endpoint enable {id}` sends what has waited").into());
                }
                messages => messages?,
            };
            let text = format!("gets {messages} messages again, and what is pending now");
            (text, json!({"endpoint_id": id, "partner": partner, "messages": messages}))
        }
    };
    let mut out = std::io::stdout().lock();
    if args.action.json() {
        writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?
    } else {
        writeln!(out, "Endpoint {id} of {partner} {text}.")?
    }
    Ok(ExitCode::SUCCESS)
}
