//! A store that neither answers nor breaks: what is under way stops before its lease runs out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::bed::{Bed, NOW, On, STEPS, life};
use crate::send::{Attempt, Doing, Message, Transport};
use crate::tables::LOCK;
use crate::{LATE_MS, Limits, Parts, Retention, start};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is sent never ends by itself.
struct Hanging(UnboundedSender<&'static str>);

/// Tells when it is dropped.
struct Stopped(UnboundedSender<&'static str>);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.send("stopped");
    }
}

impl Transport for Hanging {
    fn send(&self, _: Message) -> Doing<Attempt> {
        let stopped = Stopped(self.0.clone());
        let _ = self.0.send("begun");
        Box::pin(async move {
            let _stopped = stopped;
            std::future::pending().await
        })
    }
}

#[tokio::test]
async fn what_is_under_way_stops_when_the_store_does_not_answer_in_time() {
    let bed = Bed::new(On::Postgres, "stalled").await;
    bed.endpoint("north", &[]).await;
    for nth in 0..STEPS {
        life("north", 0, nth, NOW).iter().for_each(|event| bed.append(event));
    }
    let (told, mut tells) = unbounded_channel();
    let handle = start(Parts {
        store: bed.store.clone(),
        log: Arc::new(bed.log.clone()),
        transport: Arc::new(Hanging(told)),
        clock: bed.clock(),
        metrics: bed.metrics.clone(),
        link_base: String::new(),
        limits: Limits::default(),
        retention: Retention::default(),
        late_ms: LATE_MS,
        name: "stalled".into(),
    });
    assert_eq!(tokio::time::timeout(PATIENCE, tells.recv()).await, Ok(Some("begun")));
    let mut held = bed.store.begin().await.unwrap();
    held.lock(LOCK).await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, tells.recv()).await, Ok(Some("stopped")), "nobody knows by then who has the lane");
    // The store answers again: it begins anew when the old lease has run out.
    held.rollback().await.unwrap();
    bed.advance(4000);
    assert_eq!(tokio::time::timeout(PATIENCE, tells.recv()).await, Ok(Some("begun")));
    drop(handle);
}
