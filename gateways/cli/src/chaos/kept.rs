//! Whether every acknowledged command is in the log, with the status its answer named.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use crate::trials::Ack;
use atelier_log::Log;
use atelier_schemas::{Event, Framed, Topic};
use serde_json::Value;

use crate::Failure;

const POLL: Duration = Duration::from_millis(500);
const BATCH: usize = 1000;

/// The acknowledgements that the load has noted.
pub(super) fn noted(file: &Path) -> Result<Vec<Ack>, Failure> {
    let mut acks = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let ack: Value = serde_json::from_str(line)?;
        if let (Some(order_id), Some(version), Some(status)) = (ack["order_id"].as_str(), ack["version"].as_i64(), ack["status"].as_str()) {
            acks.push(Ack { order_id: order_id.into(), version, status: status.into() });
        }
    }
    Ok(acks)
}

/// The acknowledgements that the log does not keep.
pub(super) fn broken(log: &dyn Log, acks: Vec<Ack>) -> Result<Vec<String>, Failure> {
    // The same command may have been answered more than once.
    let mut wanted: HashMap<(String, i64), String> = HashMap::new();
    for Ack { order_id, version, status } in acks {
        wanted.insert((order_id, version), status);
    }
    let mut broken = Vec::new();
    for partition in 0..log.partitions() {
        let end = log.end(Topic::Events, partition)?;
        let mut reader = log.read(Topic::Events, &[(partition, 0)])?;
        while reader.position(partition) < end {
            for record in reader.poll(BATCH, POLL)? {
                let event = Event::decode(&record.payload)?;
                if let Some(status) = wanted.remove(&(record.key, event.version))
                    && status != event.after.status
                {
                    let (order, version, found) = (event.order_id, event.version, event.after.status);
                    broken.push(format!("acknowledged: order {order} version {version} is {status}; the log says {found}"));
                }
            }
        }
    }
    broken.extend(
        wanted.into_iter().map(|((order, version), status)| {
            format!("acknowledged: order {order} version {version} is {status}; the log does not have it")
        }),
    );
    Ok(broken)
}
