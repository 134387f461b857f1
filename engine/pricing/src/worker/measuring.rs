//! The work of a job: fetch the bytes, measure and price them on a thread for blocking work, draw the
//! picture, store it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use atelier_blobs::{Blobs, Error as BlobError};
use atelier_schemas::{PricingJob, Quote};
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Shared;
use crate::book::PriceBook;
use crate::failure::{Failure, Kind};
use crate::mesh::MAX_BYTES;
use crate::model::{measure_model, quote};
use crate::preview;

/// A pretended delay passes in so many steps, so that the progress moves.
const SLOW_STEPS: u32 = 10;
/// Between two tries to fetch a model while the object store cannot be reached.
const STORE_RETRY: Duration = Duration::from_millis(500);

/// What blocking work gives: the quote, and a picture where the model has none yet.
pub(super) type Measuring = Arc<dyn Fn(&PricingJob, &Bytes, &Watched) -> Result<(Quote, Option<Vec<u8>>), Failure> + Send + Sync>;

/// How far a job is. When it is dropped, what still runs on the blocking thread is told to stop.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) percent: Arc<AtomicI32>,
    cancelled: Arc<AtomicBool>,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// The blocking side of [`Progress`].
pub(super) struct Watched {
    percent: Arc<AtomicI32>,
    cancelled: Arc<AtomicBool>,
    /// Whether there is no picture of the model yet.
    undrawn: bool,
}

impl Watched {
    /// Called between two pieces of work.
    pub(super) fn reached(&self, percent: i32) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Failure::new(Kind::Internal, "the job was dropped"));
        }
        self.percent.fetch_max(percent, Ordering::Relaxed);
        Ok(())
    }
}

/// The real thing.
pub(super) fn by_the_book(book: Arc<PriceBook>) -> Measuring {
    Arc::new(move |job, bytes, watched| {
        let (loaded, measured) = measure_model(&job.model.format, bytes)?;
        watched.reached(70)?;
        let quote = quote(&measured, &job.item, &book, &job.model.sha256)?;
        let picture = watched.undrawn.then(|| preview::render(&loaded.mesh, preview::SIZE_PX));
        watched.reached(90)?;
        Ok((quote, picture))
    })
}

/// Prices a job. The slot stays taken until the blocking thread is done, also when nobody waits any more.
pub(super) async fn price(
    shared: &Shared,
    job: &PricingJob,
    progress: &Progress,
    slot: Arc<OwnedSemaphorePermit>,
) -> Result<Quote, Failure> {
    if job.model.size_bytes > MAX_BYTES as i64 {
        let text =
            format!("the model has {} bytes, {MAX_BYTES} are allowed; a seller has to quote this order by hand", job.model.size_bytes);
        return Err(Failure::new(Kind::TooLarge, text));
    }
    let bytes = fetch(&shared.blobs, &job.model.sha256, shared.config.patience).await?;
    progress.percent.fetch_max(10, Ordering::Relaxed);
    pretend(shared.config.slowdown, progress).await;
    // The same model is ordered again and again, and drawing it takes longer than measuring it.
    let undrawn = !shared.blobs.has_preview(&job.model.sha256).await.unwrap_or(false);
    let watched = Watched { percent: progress.percent.clone(), cancelled: progress.cancelled.clone(), undrawn };
    let (measuring, blocking_job) = (shared.measuring.clone(), job.clone());
    let work = move || {
        let _slot = slot;
        measuring(&blocking_job, &bytes, &watched)
    };
    let (quote, picture) = tokio::task::spawn_blocking(work).await.map_err(broken)??;
    // A price without a picture is still a price.
    if let Some(picture) = picture
        && let Err(error) = shared.blobs.put_preview(&job.model.sha256, picture.into()).await
    {
        tracing::warn!(%error, "the preview could not be stored");
    }
    Ok(quote)
}

/// A store that cannot be reached is asked again within `patience`: the lease is held meanwhile, and
/// the next attempt would meet the same store.
async fn fetch(blobs: &Blobs, sha256: &str, patience: Duration) -> Result<Bytes, Failure> {
    let deadline = Instant::now() + patience;
    loop {
        match blobs.get(sha256).await {
            Ok(bytes) => return Ok(bytes),
            Err(error @ BlobError::Unavailable(_)) if Instant::now() < deadline => {
                tracing::warn!(%error, "the model cannot be fetched yet; it is tried again");
                tokio::time::sleep(STORE_RETRY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn pretend(slowdown: Option<Duration>, progress: &Progress) {
    let Some(slowdown) = slowdown else { return };
    for step in 1..=SLOW_STEPS {
        tokio::time::sleep(slowdown / SLOW_STEPS).await;
        progress.percent.fetch_max(10 + 50 * step as i32 / SLOW_STEPS as i32, Ordering::Relaxed);
    }
}

/// A panic while measuring is a defect of ours and costs this attempt only.
fn broken(error: tokio::task::JoinError) -> Failure {
    tracing::error!(%error, "measuring broke down");
    Failure::new(Kind::Internal, "measuring this model broke down; if the next attempts do too, look into the pricing worker's log")
}
