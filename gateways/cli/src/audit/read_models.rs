//! The read models against what the events say.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use atelier_projections::{CrmFilter, Model, Store};
use uuid::Uuid;

use super::scan::Scanned;
use crate::Failure;

const PAGE: u32 = 200;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Compares every order of the sellers' list, and names read models that are behind or have set orders aside.
pub(super) async fn compare(store: &Store, scanned: &mut Scanned, settle: Duration) -> Result<(), Failure> {
    let behind = caught_up(store, scanned, settle).await?;
    let is_behind = !behind.is_empty();
    for (model, records) in behind {
        let detail = format!("read model {model} is {records} records behind the log; are the projections running?");
        scanned.problem("read_model_behind", model, detail);
    }
    let queries = store.queries();
    for parked in queries.parked().await? {
        scanned.problem(
            "parked",
            parked.order_id.clone(),
            format!("read model {} has set the order aside: {}", parked.model, parked.reason),
        );
    }
    if is_behind {
        return Ok(());
    }
    let mut rows: HashMap<Uuid, (i64, String)> = HashMap::with_capacity(scanned.orders.len());
    let mut cursor = None;
    loop {
        let page = queries.crm_orders(&CrmFilter { limit: Some(PAGE), cursor, ..CrmFilter::default() }).await?;
        rows.extend(page.items.into_iter().map(|order| (order.order_id, (order.version, order.status))));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let mut wrong = Vec::new();
    for (id, facts) in &scanned.orders {
        let status = facts.status.map_or("", |status| status.as_str());
        match rows.remove(id) {
            None => wrong.push((*id, "missing_row", format!("the sellers' list lacks it; the log has it at version {}", facts.version))),
            Some((version, _)) if version < facts.version => {
                wrong.push((*id, "stale_row", format!("the sellers' list has version {version}, the log {}", facts.version)));
            }
            Some((version, shown)) if version == facts.version && shown != status => {
                wrong.push((*id, "wrong_row", format!("the sellers' list says {shown}, the log {status}")));
            }
            // Newer than what was audited: the log moves on.
            Some(_) => {}
        }
    }
    for (id, kind, detail) in wrong {
        scanned.problem(kind, id.to_string(), detail);
    }
    Ok(())
}

/// Waits for the read models; gives those that are still behind, with how many records.
async fn caught_up(store: &Store, scanned: &Scanned, settle: Duration) -> Result<Vec<(String, u64)>, Failure> {
    let started = Instant::now();
    loop {
        let mut behind = Vec::new();
        for model in Model::ALL.iter().copied() {
            let positions: HashMap<u32, u64> = store.queries().positions(model.as_str()).await?.into_iter().collect();
            let ends = scanned.ends.iter().filter(|(of, ..)| *of == model.topic());
            let records: u64 = ends.map(|(_, partition, end)| end.saturating_sub(positions.get(partition).copied().unwrap_or(0))).sum();
            if records > 0 {
                behind.push((model.as_str().to_owned(), records));
            }
        }
        if behind.is_empty() || started.elapsed() >= settle {
            return Ok(behind);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
