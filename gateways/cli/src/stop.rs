//! Told to end: SIGTERM or Ctrl-C.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::Failure;

/// A token that is cancelled at the first signal. At the second one the process ends on the spot; the
/// log is built for that.
pub(crate) fn on_signal() -> Result<CancellationToken, Failure> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn({
        let token = token.clone();
        async move {
            for first in [true, false] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if first {
                    tracing::info!("ending: finishing what is under way");
                    token.cancel();
                } else {
                    std::process::exit(130);
                }
            }
        }
    });
    Ok(token)
}
