//! `atelier order`: what happened to one order, from the log itself.

use std::io::Write;
use std::process::ExitCode;

use atelier_http::PublishedEvent;
use atelier_schemas::{Event, Framed, Replayed, partition_of};

use crate::Failure;
use crate::cli::OrderArgs;
use crate::publish::{Events, time_text};
use crate::settings::Settings;
use crate::wiring::{self, Access};

/// Prints the timeline.
pub(crate) async fn run(settings: &Settings, args: &OrderArgs) -> Result<ExitCode, Failure> {
    let log = wiring::log(settings, Access::ReadOnly).await?;
    let (id, at) = (args.id, args.at);
    let events = tokio::task::spawn_blocking(move || -> Result<Vec<Event>, Failure> {
        let mut found = Vec::new();
        let mut events = Events::open(log.as_ref(), [partition_of(&id, log.partitions())])?;
        let key = id.to_string();
        while let Some(record) = events.next()? {
            if record.key == key {
                let event = match Event::decode(&record.payload) {
                    Ok(event) => event,
                    Err(error) => {
                        let (partition, offset) = (record.partition, record.offset);
                        eprintln!(
                            "atelier: order {key}: the record at {partition}/{offset} cannot be read: {error}; see `atelier parked {key}`"
                        );
                        continue;
                    }
                };
                if at.is_none_or(|at| event.time <= at) {
                    found.push(event);
                }
            }
        }
        Ok(found)
    })
    .await??;
    let mut out = std::io::stdout().lock();
    let Some(last) = events.last() else {
        let when = args.at.map(|at| format!(" at {}", time_text(at))).unwrap_or_default();
        eprintln!("atelier: the log knows no order {}{when}; check the id, --data and --log", args.id);
        return Ok(ExitCode::from(1));
    };
    if args.json {
        let after = &last.after;
        let mut answer = serde_json::json!({
            "order_id": args.id, "status": after.status, "version": last.version, "held": after.held,
            "attention": after.attention, "due": after.due.map(time_text), "updated_at": time_text(last.time),
        });
        answer["timeline"] = events.into_iter().map(|event| serde_json::to_value(PublishedEvent::from(event))).collect::<Result<_, _>>()?;
        writeln!(out, "{answer}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let held = if last.after.held { ", on hold" } else { "" };
    writeln!(out, "order {}  {}{held}, version {}", args.id, last.after.status, last.version)?;
    if !last.after.attention.is_empty() {
        writeln!(out, "needs a person: {}", last.after.attention.join(", "))?;
    }
    if let Some(due) = last.after.due {
        writeln!(out, "due {}", time_text(due))?;
    }
    writeln!(out)?;
    for event in events {
        let mut who = format!("{} {}", event.actor.role, event.actor.name);
        if let Some(Replayed { actor, reason }) = &event.replayed {
            who = format!("{who}, replayed by {} {}: {reason}", actor.role, actor.name);
        }
        writeln!(
            out,
            "{:>4}  {}  {:<24} {:<20} {}",
            event.version,
            time_text(event.time),
            event.data.type_name(),
            event.after.status,
            who
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
