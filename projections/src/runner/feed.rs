//! A read model fed by hand: the same transaction as the runner's, without its task, thread and waiting.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use atelier_log::{Log, Partition};

use super::Events;
use super::again::Again;
use super::batch::Batch;
use super::commit::{Committed, Committer, ReadModel};
use super::source::decoded;
use crate::crm::Crm;
use crate::feed::Changes;
use crate::gaps::Gaps;
use crate::outcomes::Outcomes;
use crate::partner::Partner;
use crate::queue::Queue;
use crate::shop::Shop;
use crate::{Error, Metrics, Model, Store};

/// One read model, read and committed when told to. For simulation and tools; a service uses the
/// [`Runner`](super::Runner). Dropping it is what a crash is to the runner: what was read and not
/// committed is read again.
pub struct Feed {
    hand: Box<dyn Hand>,
}

/// How a commit by hand ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// So many records were applied, with their offsets.
    Applied(usize),
    /// Another feed or runner was faster; nothing was applied, read again.
    Moved,
}

impl Feed {
    /// A feed of `model` from `log` into `store`.
    pub fn new(store: Store, log: Arc<dyn Log>, model: Model, metrics: Metrics) -> Self {
        fn hand<R: ReadModel>(store: Store, log: Arc<dyn Log>, metrics: Metrics, model: R) -> Box<dyn Hand> {
            Box::new(Held { log, committer: Committer { store, metrics, model, stored: Vec::new(), again: Again::default() }, batch: None })
        }
        let hand = match model {
            Model::Shop => hand(store, log, metrics, Events::<Shop>::default()),
            Model::Queue => hand(store, log, metrics, Events::<Queue>::default()),
            Model::Crm => hand(store, log, metrics, Events::<Crm>::default()),
            Model::Partner => hand(store, log, metrics, Events::<Partner>::default()),
            Model::Feed => hand(store, log, metrics, Events::<Changes>::default()),
            Model::Gaps => hand(store, log, metrics, Events::<Gaps>::default()),
            Model::Outcomes => hand(store, log, metrics, Outcomes::default()),
        };
        Self { hand }
    }

    /// Reads at most `max` records from where the store says, and holds them. The count.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store or the log is away; nothing is held then.
    pub async fn read(&mut self, max: usize) -> Result<usize, Error> {
        self.hand.read(max).await
    }

    /// Whether something was read and is not committed.
    pub fn holds(&self) -> bool {
        self.hand.holds()
    }

    /// Commits what is held, with the offsets, in one transaction. Nothing held: [`Fed::Applied`] of 0.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Refused`]: nothing was written; what is held can be committed again.
    pub async fn commit(&mut self) -> Result<Fed, Error> {
        self.hand.commit().await
    }
}

type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

trait Hand: Send {
    fn read(&mut self, max: usize) -> Doing<'_, usize>;
    fn holds(&self) -> bool;
    fn commit(&mut self) -> Doing<'_, Fed>;
}

struct Held<R: ReadModel> {
    log: Arc<dyn Log>,
    committer: Committer<R>,
    batch: Option<Batch<R::Body>>,
}

impl<R: ReadModel> Hand for Held<R> {
    fn read(&mut self, max: usize) -> Doing<'_, usize> {
        Box::pin(async move {
            self.batch = None;
            self.committer.reload(self.log.partitions()).await?;
            let from: Vec<(Partition, u64)> = (0..).zip(self.committer.stored.iter().copied()).collect();
            let away = |error: atelier_log::Error| Error::Unavailable(error.to_string());
            let mut reader = self.log.read(R::MODEL.topic(), &from).map_err(away)?;
            let records: Vec<_> = reader.poll(max, Duration::ZERO).map_err(away)?.into_iter().map(decoded).collect();
            let next = (0..self.log.partitions()).map(|partition| reader.position(partition)).collect();
            let count = records.len();
            self.batch = (count > 0).then_some(Batch { records, next });
            Ok(count)
        })
    }

    fn holds(&self) -> bool {
        self.batch.is_some()
    }

    fn commit(&mut self) -> Doing<'_, Fed> {
        Box::pin(async move {
            let Some(batch) = self.batch.take() else { return Ok(Fed::Applied(0)) };
            let count = batch.records.len();
            match self.committer.commit(&batch.records, 0..count, &batch.next).await {
                Ok(Committed::Done) => {
                    self.committer.try_again(&self.log).await?;
                    Ok(Fed::Applied(count))
                }
                Ok(Committed::Moved) => Ok(Fed::Moved),
                Err(error) => {
                    self.batch = Some(batch);
                    Err(error)
                }
            }
        })
    }
}
