//! `atelier repair`: looks at an order and does what its state allows, through the gateway.
//!
//! Nothing here goes around the engine: a repair is a command like any other, decided by the one writer and
//! recorded with who asked and why. Unless `--apply` is given the engine is only asked what would happen.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::{Asked, RepairAction, RepairArgs};
use crate::{Failure, dismiss};

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);

impl RepairAction {
    /// Who serves it.
    fn base(self) -> &'static str {
        match self {
            RepairAction::Release => "/mes/v1",
            _ => "/crm/v1",
        }
    }

    fn name(self) -> &'static str {
        match self {
            RepairAction::Approve => "approve",
            RepairAction::Reject => "reject",
            RepairAction::Reprice => "reprice",
            RepairAction::Hold => "hold",
            RepairAction::Resume => "resume",
            RepairAction::Release => "release",
            RepairAction::Cancel => "cancel",
            RepairAction::Close => "close",
            RepairAction::SkipRecords => "skip-records",
        }
    }
}

/// Shows the order; asks for the action, where one is named.
pub(crate) async fn run(args: &RepairArgs) -> Result<ExitCode, Failure> {
    match (&args.parcel, args.order) {
        (Some(message), _) => dismiss::run(args, message).await,
        (None, Some(id)) => of_order(args, id).await,
        (None, None) => Err("name the order, or a message with --parcel".into()),
    }
}

async fn of_order(args: &RepairArgs, id: Uuid) -> Result<ExitCode, Failure> {
    let gateway = Gateway::new(&args.asked)?;
    let url = |base: &str, call: &str| gateway.url(&format!("{base}/orders/{id}{call}"));
    let (status, order) = gateway.answer(gateway.client.get(url("/crm/v1", ""))).await?;
    let what = format!("order {id}");
    if !status.is_success() {
        return Ok(refused(&what, args.json, status, &order));
    }
    let Some(action) = args.action else {
        if args.apply {
            return Err("--apply does something: name what, for example `hold`".into());
        }
        print!("{}", if args.json { format!("{order}\n") } else { shown(&order) });
        return Ok(ExitCode::SUCCESS);
    };
    let version = order["version"].as_i64().unwrap_or_default();
    let ask = |dry_run: bool| {
        let request = gateway.client.post(url(action.base(), &format!("/{}?dry_run={dry_run}", action.name())));
        let mut body = json!({"reason": args.reason});
        // What is done is done once, however often it is sent, and to the order that was looked at; of one that is
        // set aside nobody can say at which version it is.
        let request = request.header("Idempotency-Key", key(args, id, action, version));
        let request = match action {
            RepairAction::SkipRecords => {
                body["offsets"] = json!(args.offsets);
                request
            }
            _ => request.header("If-Match", format!("\"{version}\"")),
        };
        gateway.answer(request.json(&body))
    };
    let (status, would) = ask(true).await?;
    if !status.is_success() {
        return Ok(refused(&what, args.json, status, &would));
    }
    if !args.apply {
        say(args, &would, || {
            let mut text = shown(&order);
            let _ = write!(text, "\n{} would give {}. Nothing was changed; --apply does it.\n", action.name(), stands(&would));
            text
        });
        return Ok(ExitCode::SUCCESS);
    }
    let (status, done) = ask(false).await?;
    if status == StatusCode::ACCEPTED {
        return Err(format!("{what}: it is on the log and not decided yet; run the same again to see what came of it").into());
    }
    if !status.is_success() {
        return Ok(refused(&what, args.json, status, &done));
    }
    say(args, &done, || format!("{what}: {} done, now {}\n", action.name(), stands(&done)));
    Ok(ExitCode::SUCCESS)
}

/// The same repair of the same version for the same reason is the same command.
fn key(args: &RepairArgs, order: Uuid, action: RepairAction, version: i64) -> String {
    let (reason, offsets) = (args.reason.as_deref().unwrap_or_default(), &args.offsets);
    Uuid::new_v5(&order, format!("repair {} {version} {offsets:?} {reason}", action.name()).as_bytes()).to_string()
}

/// The gateway, asked as an administrator.
pub(crate) struct Gateway<'a> {
    pub(crate) client: Client,
    asked: &'a Asked,
}

impl<'a> Gateway<'a> {
    /// Nothing is sent yet.
    pub(crate) fn new(asked: &'a Asked) -> Result<Self, Failure> {
        Ok(Self { client: Client::builder().timeout(TIMEOUT).build()?, asked })
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.asked.url.trim_end_matches('/'))
    }

    /// Status and body.
    pub(crate) async fn answer(&self, request: RequestBuilder) -> Result<(StatusCode, Value), Failure> {
        let request = request.header("X-Staff", format!("{};admin", self.asked.staff));
        let response = request.send().await.map_err(|error| {
            // The error's own text repeats the URL, which may hold a password.
            let why = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
            format!("the gateway at --url {why}; is `atelier up` or `atelier gateway` running there?")
        })?;
        let status = response.status();
        Ok((status, response.json().await.unwrap_or_default()))
    }
}

/// Where the order stands, by an answer.
pub(crate) fn stands(answer: &Value) -> String {
    format!("{}, version {}", answer["status"].as_str().unwrap_or("?"), answer["version"])
}

fn words(list: &Value) -> String {
    let words: Vec<_> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if words.is_empty() { "nothing".into() } else { words.join(", ") }
}

fn shown(order: &Value) -> String {
    let held = if order["held"] == true { ", on hold" } else { "" };
    format!(
        "order {}  {}{held}\nneeds a person: {}\nallowed: {}\n",
        order["order_id"].as_str().unwrap_or_default(),
        stands(order),
        words(&order["attention"]),
        words(&order["allowed"])
    )
}

fn say(args: &RepairArgs, answer: &Value, text: impl FnOnce() -> String) {
    if args.json { println!("{answer}") } else { print!("{}", text()) }
}

/// Says why `what` was refused.
pub(crate) fn refused(what: &str, json: bool, status: StatusCode, problem: &Value) -> ExitCode {
    if json {
        println!("{problem}");
        return ExitCode::from(1);
    }
    eprintln!("atelier: {what}: refused ({}): {}", status.as_u16(), problem["detail"].as_str().unwrap_or("no reason was given"));
    for error in problem["errors"].as_array().into_iter().flatten() {
        eprintln!("  {}: {}. {}", word(error, "field"), word(error, "message"), word(error, "fix"));
    }
    if problem["allowed"].is_array() {
        eprintln!("  allowed now: {}", words(&problem["allowed"]));
    }
    ExitCode::from(1)
}

fn word<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}
