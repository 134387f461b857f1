//! Leaving a group, for which librdkafka may take for ever.
//!
//! While a consumer is closed it still serves what its group has changed, and each answer to a change is a question to
//! the client's own thread. If that thread winds the group up in between, it drops the question without an answer
//! (librdkafka 2.12, `rd_kafka_cgrp_op_serve` where `rkcg_terminated`), and who asked waits for ever. A process that is told
//! to end must end all the same.

use std::ops::Deref;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// A member that no broker answers needs seconds; one that waits for ever is not told from it before.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// A client in a group. Dropping it leaves the group, on another thread, and waits for that at most 5 s.
pub(super) struct Leaving<C: Send + 'static> {
    /// There until it is dropped.
    client: Option<C>,
    within: Duration,
}

impl<C: Send> Leaving<C> {
    pub(super) fn new(client: C) -> Self {
        Self { client: Some(client), within: LEAVE_WITHIN }
    }
}

impl<C: Send> Deref for Leaving<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.client.as_ref().expect("a member that is not dropped has its client")
    }
}

impl<C: Send + 'static> Drop for Leaving<C> {
    fn drop(&mut self) {
        let client = self.client.take();
        let (left, end) = channel::<()>();
        let leave = move || {
            drop(client);
            drop(left);
        };
        if let Err(error) = std::thread::Builder::new().name("leave".into()).spawn(leave) {
            tracing::debug!(%error, "a group was left in place");
        } else if end.recv_timeout(self.within) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                "the client of a group did not end within {} s and is left alone; the group drops the member when its session is over",
                self.within.as_secs_f32()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender};

    use super::*;

    /// Ends when it is let through, and then says so.
    struct Stuck(Receiver<()>, Sender<()>);

    impl Drop for Stuck {
        fn drop(&mut self) {
            let _ = self.0.recv();
            let _ = self.1.send(());
        }
    }

    #[test]
    fn a_client_that_does_not_end_holds_nobody_up() {
        let ((go, gate), (tell, ended)) = (channel(), channel());
        let mut member = Leaving::new(Stuck(gate, tell));
        member.within = Duration::from_millis(20);
        let (done, over) = channel();
        std::thread::spawn(move || {
            drop(member);
            done.send(())
        });
        over.recv_timeout(Duration::from_secs(300)).expect("it goes on");
        assert!(ended.try_recv().is_err(), "it has not ended, and here we are");
        go.send(()).unwrap();
        ended.recv().expect("it ends in its own time");
    }

    #[test]
    fn one_that_ends_is_waited_for() {
        let ((go, gate), (tell, ended)) = (channel(), channel());
        go.send(()).unwrap();
        drop(Leaving::new(Stuck(gate, tell)));
        ended.try_recv().expect("it had ended when the drop was over");
    }
}
