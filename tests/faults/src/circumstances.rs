//! How everything stands, for whoever has to explain what went wrong: the load of the machine, how far the engines are
//! behind, what does not move, and what every role said last.

use std::fmt::Write as _;

use atelier_schemas::Topic;

use crate::house::House;

/// Of the engines. What [`Log::committed`](atelier_log::Log::committed) tells is of commands, so the workers' is not here.
const GROUP: &str = "engine";
/// Lines of each role.
const SAID: usize = 40;

/// All of it, as text.
pub(crate) fn of(house: &House) -> String {
    let mut text = format!("load of the machine: {}\n", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    for partition in 0..house.log.partitions() {
        let lag = match (house.log.committed(GROUP, partition), house.log.end(Topic::Commands, partition)) {
            (Ok(committed), Ok(end)) => format!("at {committed} of {end}, {} to go", end.saturating_sub(committed)),
            (Err(error), _) | (_, Err(error)) => error.to_string(),
        };
        let _ = writeln!(text, "group {GROUP}, {} partition {partition}: {lag}", Topic::Commands);
    }
    match house.tool(&["gaps", "--limit", "50"]) {
        Ok(output) => {
            let _ =
                writeln!(text, "\natelier gaps:\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        }
        Err(why) => text.push_str(&why),
    }
    for role in &house.roles {
        let runs = role.id().map_or_else(|| "does not run".to_owned(), |id| format!("process {id}, {}", state_of(id)));
        let _ = writeln!(text, "\n{} ({runs}) said last:\n{}", role.name(), role.said_last(SAID));
    }
    text
}

/// Running, sleeping, stopped, as the system has it.
fn state_of(id: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("State:")).map_or_else(|| "gone".to_owned(), |state| state.trim().to_owned())
}
