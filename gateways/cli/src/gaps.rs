//! `atelier gaps`: what does not move or got lost, from the store itself.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use atelier_partners::{WAITING_MAX, Waiting};
use atelier_projections::{Cause, Found, Gap, GapFilter, GapState, Queries, UnknownParcel};

use crate::Failure;
use crate::cli::GapsArgs;
use crate::settings::Settings;
use crate::wiring::{self, Access};

/// Gaps asked for at once.
const PAGE: u32 = 200;
/// Whoever can run this may do what an administrator may.
const ROLE: &str = "admin";
const HEADINGS: [&str; 7] = ["ORDER", "STAGE", "CAUSE", "SINCE", "EXPECTED BY", "HOLDER", "WHAT MAY BE DONE"];

/// Prints the gaps asked for.
pub(crate) async fn run(settings: &Settings, args: &GapsArgs) -> Result<ExitCode, Failure> {
    // Without the log nobody could tell whether the ledger is up to date.
    let log = wiring::log(settings, Access::ReadOnly).await?;
    let queries = wiring::store(settings).await?.queries();
    let (progress, now) = (queries.progress().await?, (wiring::clock())());
    let grace = Duration::from_secs(args.grace_s.into());
    let found = tokio::task::spawn_blocking(move || Found::at(log.as_ref(), &progress, now, grace)).await??;
    let limit = u32::try_from(WAITING_MAX).unwrap_or(u32::MAX);
    let waiting = wiring::accounts(settings).await?.waiting_deliveries(None, limit).await?;
    let (undelivered, cut) = match wiring::webhooks_store_if_any(settings).await? {
        Some(store) => atelier_webhooks::undelivered_or_cut(&store, now, settings.webhook_late_ms()).await?,
        None => (Vec::new(), false),
    };
    let found = Found { parcels: waiting.into_iter().map(parcel).collect(), undelivered, ..found };
    let state = match (args.closed, args.all) {
        (true, _) => GapState::Closed,
        (_, true) => GapState::All,
        _ => GapState::Open,
    };
    let filter = GapFilter { state, cause: args.cause, order: args.order, ..GapFilter::default() };
    let (gaps, more) = listed(&queries, &filter, &found, args.limit as usize).await?;
    let more = more || cut && filter.state != GapState::Closed && filter.asks_for(Cause::WebhookUndelivered);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&serde_json::json!({"gaps": gaps, "more": more}))?)?;
    } else {
        write!(out, "{}", table(&gaps, state, more))?;
    }
    // Those listed may all be closed, and an open one behind the limit.
    let open = GapFilter { state: GapState::Open, limit: Some(1), ..filter };
    let any_open = state != GapState::Closed && !queries.gaps(&open, ROLE, &found).await?.items.is_empty();
    Ok(if any_open { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn parcel(waiting: Waiting) -> UnknownParcel {
    let Waiting { carrier, tracking, message_id, received_at, .. } = waiting;
    UnknownParcel { carrier, tracking, message_id, since: received_at }
}

/// The first `limit` gaps, and whether there are more.
async fn listed(queries: &Queries, filter: &GapFilter, found: &Found, limit: usize) -> Result<(Vec<Gap>, bool), Failure> {
    let mut filter = GapFilter { limit: Some(PAGE), ..filter.clone() };
    let mut gaps = Vec::new();
    loop {
        let page = queries.gaps(&filter, ROLE, found).await?;
        gaps.extend(page.items);
        filter.cursor = page.next;
        if gaps.len() >= limit || filter.cursor.is_none() {
            let more = gaps.len() > limit || filter.cursor.is_some();
            gaps.truncate(limit);
            return Ok((gaps, more));
        }
    }
}

/// For people: a line per gap, as wide as it has to be.
fn table(gaps: &[Gap], state: GapState, more: bool) -> String {
    let which = match state {
        GapState::Open => "open",
        GapState::Closed => "closed",
        GapState::All => "open or closed",
    };
    if gaps.is_empty() {
        return format!("no gap is {which}\n");
    }
    let rows: Vec<[String; 7]> = std::iter::once(HEADINGS.map(str::to_owned)).chain(gaps.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADINGS.len() - 1).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", row[HEADINGS.len() - 1]);
    }
    let shown = gaps.len();
    let rest = if more { "; there are more, --limit shows them" } else { "" };
    let _ = writeln!(text, "{shown} {which}{rest}");
    text
}

fn cells(gap: &Gap) -> [String; 7] {
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let held = if gap.held { " (on hold)" } else { "" };
    let cause = match gap.failures {
        0 => gap.cause.to_string(),
        failures => format!("{} ({failures} failed)", gap.cause),
    };
    let repair = match (&gap.closed_at, &gap.closed_by, &gap.detail) {
        (Some(at), Some(by), _) => format!("closed by {by} at {at}"),
        (_, _, Some(detail)) => detail.clone(),
        _ => gap.allowed.join(", "),
    };
    [
        dash(&gap.order_id),
        format!("{}{held}", dash(&gap.work.clone().or_else(|| gap.status.clone()))),
        cause,
        gap.since.clone().unwrap_or_else(|| gap.opened_at.clone()),
        dash(&gap.expected_by),
        dash(&gap.holder),
        repair,
    ]
}
