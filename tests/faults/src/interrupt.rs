//! SIGINT and SIGTERM end a run at once, also where the shell that started it in the background ignores the first.

use std::process::exit;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Outcome, disk, text};

/// As a shell says it.
const INTERRUPTED: i32 = 130;

/// From now on either of them ends this process. The kernel kills every role and server with it: each was started to die
/// with its parent ([`crate::house::command`]). Their log and messages stay where they are.
///
/// # Errors
/// When the system gives no thread or takes no handler.
pub fn ends_everything() -> Outcome<()> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(text)?;
    let (mut interrupt, mut terminate) = {
        let _within = runtime.enter();
        (signal(SignalKind::interrupt()).map_err(text)?, signal(SignalKind::terminate()).map_err(text)?)
    };
    let wait = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        eprintln!("faults: interrupted; every process it started ends with it");
        disk::unmount();
        exit(INTERRUPTED);
    };
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(wait).map(drop).map_err(text)
}
