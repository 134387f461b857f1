//! Partners' messages that tell of nothing the log has shown them: made up, or left over from another log.
//!
//! Goes through the messages by their keys and looks each up among what the log has shown, which lies in the books. The
//! webhooks may have read on since: what is not there is looked up once more after the log was followed to its present end.

use std::sync::Arc;

use atelier_log::{Log, Partition};
use atelier_schemas::Topic;
use atelier_webhooks::reconcile::{self, Kept};

use super::books::{Books, Found};
use super::problem::Problem;
use super::webhooks::read;
use crate::Failure;

/// Messages asked for at once.
const PAGE: u32 = 1000;
/// Looked up once more together, at most.
const DOUBTED: usize = 1000;

/// Names them, and says how many they are. `upto`: so far the log was followed.
pub(super) async fn name(
    log: &Arc<dyn Log>,
    store: &atelier_store::Store,
    books: &Arc<Books>,
    mut upto: Vec<u64>,
    found: &mut Found<'_>,
) -> Result<u64, Failure> {
    let (mut last, mut doubted, mut strays) = (None, Vec::new(), 0);
    loop {
        let page = reconcile::kept_after(store, last.as_ref(), PAGE).await?;
        let over = page.is_empty();
        for kept in &page {
            if !is_told(books, kept)? {
                doubted.push(kept.clone());
            }
        }
        last = page.into_iter().next_back().or(last);
        if doubted.len() >= DOUBTED || (over && !doubted.is_empty()) {
            upto = read_on(log, books, upto).await?;
            for kept in std::mem::take(&mut doubted) {
                if !is_told(books, &kept)? {
                    strays += 1;
                    let Kept { order_id, event_id, sequence, partner, .. } = kept;
                    let detail =
                        format!("message {sequence} (event {event_id}) tells {partner:?} of nothing the log has shown that partner");
                    found.add(Problem::new("stray_delivery", order_id.to_string(), detail))?;
                }
            }
        }
        if over {
            return Ok(strays);
        }
    }
}

fn is_told(books: &Books, kept: &Kept) -> Result<bool, Failure> {
    books.is_told(kept.order_id, kept.sequence, kept.event_id, &kept.partner)
}

/// Follows the log to where it ends now.
async fn read_on(log: &Arc<dyn Log>, books: &Arc<Books>, from: Vec<u64>) -> Result<Vec<u64>, Failure> {
    let (log, books) = (log.clone(), books.clone());
    let reading = tokio::task::spawn_blocking(move || -> Result<Vec<u64>, Failure> {
        let ends = (0..).zip(&from).map(|(partition, from): (Partition, _)| Ok(log.end(Topic::Events, partition)?.max(*from)));
        let ends = ends.collect::<Result<Vec<u64>, Failure>>()?;
        read(log.as_ref(), &books, &from, &ends, |_| true)?;
        Ok(ends)
    });
    reading.await?
}
