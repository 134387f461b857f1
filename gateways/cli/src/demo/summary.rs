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
    let ended = by_status.into_iter().map(|(status, count)| (format!("orders {status}"), count.to_string()));
    let to_price = durations(orders.values().filter_map(|order| Some(order.priced? - order.placed)).collect());
    let to_end = durations(orders.values().filter_map(|order| Some(order.ended? - order.placed)).collect());
    let counts = played.board.counts.iter().map(|(what, count)| ((*what).to_owned(), count.to_string()));
    let times = [("placed → priced, median", to_price), ("placed → ended, median", to_end), ("all of it", show(played.took))];
    let times = times.map(|(what, time)| (what.to_owned(), time));
    let rows: Vec<(String, String)> = counts.chain(ended).chain(times).collect();
    let width = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
    let _ = writeln!(text, "{:<width$} {:>8}", "what", "how many");
    let _ = writeln!(text, "{:-<1$}", "", width + 9);
    for (what, value) in rows {
        let _ = writeln!(text, "{what:<width$} {value:>8}");
    }
    text
}

fn durations(mut all: Vec<Duration>) -> String {
    all.sort();
    all.get(all.len() / 2).copied().map_or_else(|| "–".into(), show)
}

fn show(duration: Duration) -> String {
    if duration < Duration::from_secs(1) { format!("{} ms", duration.as_millis()) } else { format!("{:.1} s", duration.as_secs_f64()) }
}
