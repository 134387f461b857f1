//! Why an order could not be priced: what the event says and what people read.

use crate::{mesh, ring};

/// Longest detail that goes into an event.
const DETAIL_CHARS: usize = 500;

/// The kinds of failure, by what has to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The file is damaged, empty, or not a body: the customer has to upload another one.
    UnreadableModel,
    /// The price book has no such material: choose another one, or extend the book.
    UnknownMaterial,
    /// The price book has no such finish.
    UnknownFinish,
    /// The object store does not have the bytes (any more): upload them again.
    MissingModel,
    /// A format that is not measured automatically: a seller quotes by hand.
    UnsupportedFormat,
    /// Over a limit: simplify the model, or quote by hand.
    TooLarge,
    /// Ours: try again, then look into the logs.
    Internal,
}

impl Kind {
    /// The stable name in events and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Kind::UnreadableModel => "unreadable_model",
            Kind::UnknownMaterial => "unknown_material",
            Kind::UnknownFinish => "unknown_finish",
            Kind::MissingModel => "missing_model",
            Kind::UnsupportedFormat => "unsupported_format",
            Kind::TooLarge => "too_large",
            Kind::Internal => "internal",
        }
    }

    /// Whether the same job may succeed when tried again without anybody's help.
    pub const fn retryable(self) -> bool {
        matches!(self, Kind::MissingModel | Kind::Internal)
    }
}

/// A failure with a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    /// What has to happen next.
    pub kind: Kind,
    /// What happened and what to do; at most 500 characters, no personal data.
    pub detail: String,
}

impl Failure {
    /// A failure; a longer detail is cut.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((cut, _)) = detail.char_indices().nth(DETAIL_CHARS) {
            detail.truncate(cut);
        }
        Self { kind, detail }
    }
}

impl From<mesh::Error> for Failure {
    fn from(error: mesh::Error) -> Self {
        let kind = match error {
            mesh::Error::TooLarge { .. } | mesh::Error::TooManyTriangles { .. } => Kind::TooLarge,
            _ => Kind::UnreadableModel,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ring::Error> for Failure {
    fn from(error: ring::Error) -> Self {
        Self::new(Kind::UnreadableModel, error.to_string())
    }
}

impl From<atelier_blobs::Error> for Failure {
    fn from(error: atelier_blobs::Error) -> Self {
        use atelier_blobs::Error as Blob;
        let kind = match error {
            Blob::NotFound { .. } | Blob::Corrupt { .. } => Kind::MissingModel,
            Blob::InvalidAddress { .. } => Kind::UnreadableModel,
            Blob::TooLarge { .. } => Kind::TooLarge,
            Blob::Unavailable(_) | Blob::InvalidName { .. } | Blob::NoSuchName { .. } => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}
