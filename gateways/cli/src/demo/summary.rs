//! The table at the end.

use std::fmt::Write;
use std::time::Duration;

use super::cast::Played;

/// What happened, in rows.
pub(super) fn table(played: &Played) -> String {
    let mut text = String::new();
    let orders = &played.board.orders;
    let mut by_status = std::collections::BTreeMap::<&str, usize>::new();
    for order in orders.values() {
        *by_status.entry(order.status.as_str()).or_default() += 1;
    }
    let _ = writeln!(text, "{:<28} {:>8}", "what", "how many");
    let _ = writeln!(text, "{:-<37}", "");
    for (what, count) in &played.board.counts {
        let _ = writeln!(text, "{what:<28} {count:>8}");
    }
    for (status, count) in by_status {
        let _ = writeln!(text, "{:<28} {count:>8}", format!("orders {status}"));
    }
    let to_price = durations(orders.values().filter_map(|order| Some(order.priced? - order.placed)).collect());
    let to_end = durations(orders.values().filter_map(|order| Some(order.ended? - order.placed)).collect());
    let _ = writeln!(text, "{:<28} {to_price:>8}", "placed → priced, median");
    let _ = writeln!(text, "{:<28} {to_end:>8}", "placed → ended, median");
    let _ = writeln!(text, "{:<28} {:>8}", "all of it", show(played.took));
    text
}

fn durations(mut all: Vec<Duration>) -> String {
    all.sort();
    all.get(all.len() / 2).copied().map_or_else(|| "–".into(), show)
}

fn show(duration: Duration) -> String {
    if duration < Duration::from_secs(1) { format!("{} ms", duration.as_millis()) } else { format!("{:.1} s", duration.as_secs_f64()) }
}
