//! A body in parts, bounded where its reader would keep all there is.
//!
//! multer keeps what comes before the first boundary, and a part's headers until they end, without a limit, and
//! searches all of it again whenever more has arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;

/// What may go in while no part's content comes out; then the body ends with an error.
pub(super) const BETWEEN_MAX_BYTES: usize = 64 * 1024;
/// So much goes in before the reader has to look at it: it takes all that is ready.
const PIECE_BYTES: usize = 16 * 1024;

/// How much has gone in since content came out last. Clones are the same gauge.
#[derive(Clone, Default)]
pub(super) struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    /// The body, measured on its way in.
    pub(super) fn over(&self, body: Body) -> Body {
        let state = (body.into_data_stream(), Bytes::new(), self.clone());
        Body::from_stream(futures::stream::unfold(state, |(mut chunks, mut rest, gauge)| async move {
            if gauge.bytes() >= PIECE_BYTES {
                tokio::task::yield_now().await;
            }
            if gauge.is_full() {
                return Some((Err(axum::Error::new("too much without content of a part")), (chunks, rest, gauge)));
            }
            while rest.is_empty() {
                match chunks.next().await? {
                    Ok(chunk) => rest = chunk,
                    Err(error) => return Some((Err(error), (chunks, rest, gauge))),
                }
            }
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            gauge.0.fetch_add(piece.len(), Ordering::Relaxed);
            Some((Ok(piece), (chunks, rest, gauge)))
        }))
    }

    /// Content of a part came out: what went in has been understood.
    pub(super) fn came_out(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes() >= BETWEEN_MAX_BYTES
    }

    fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
