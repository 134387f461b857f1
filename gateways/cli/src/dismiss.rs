//! `atelier repair --parcel`: lets a carrier's message go whose parcel never turns up, through the gateway.

use std::process::ExitCode;

use reqwest::Url;
use serde_json::{Value, json};

use crate::Failure;
use crate::cli::RepairArgs;
use crate::repair::{Gateway, refused};

/// Says what would be dismissed, or dismisses it.
pub(crate) async fn run(args: &RepairArgs, (carrier, message_id): &(String, String)) -> Result<ExitCode, Failure> {
    let gateway = Gateway::new(&args.asked)?;
    let mut url: Url = gateway.url("/crm/v1/parcels").parse().map_err(|_| "--url is no address of a gateway")?;
    // An id is the carrier's own: it may have anything in it.
    url.path_segments_mut().map_err(|()| "--url is no address of a gateway")?.extend([carrier.as_str(), message_id, "dismiss"]);
    url.query_pairs_mut().append_pair("dry_run", if args.apply { "false" } else { "true" });
    let (status, answer) = gateway.answer(gateway.client.post(url).json(&json!({"reason": args.reason}))).await?;
    if !status.is_success() {
        return Ok(refused(&format!("message {carrier}/{message_id}"), args.json, status, &answer));
    }
    let word = |name: &str| answer[name].as_str().unwrap_or("?").to_owned();
    if args.json {
        println!("{answer}");
    } else if args.apply {
        println!(
            "message {carrier}/{message_id} about parcel {}: dismissed by {} at {}",
            word("tracking"),
            word("by"),
            word("dismissed_at")
        );
    } else {
        println!("{}", would(carrier, message_id, &answer));
    }
    Ok(ExitCode::SUCCESS)
}

fn would(carrier: &str, message_id: &str, answer: &Value) -> String {
    let word = |name: &str| answer[name].as_str().unwrap_or("?");
    format!(
        "message {carrier}/{message_id}: parcel {} delivered at {}, told at {}, and no order was shipped with it. \
         Nothing was changed; --apply dismisses it.",
        word("tracking"),
        word("delivered_at"),
        word("received_at")
    )
}
