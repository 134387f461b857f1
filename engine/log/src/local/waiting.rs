//! Waiting on a thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Longer waits are cut to this: `Instant` cannot hold `Duration::MAX`.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// When a wait of `timeout` that begins now is over.
pub(crate) fn deadline_of(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(LONGEST_WAIT)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread, inside or outside an async runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
