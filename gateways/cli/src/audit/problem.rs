//! One thing that does not add up.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One thing that does not add up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// Stable name of what is wrong.
    pub(crate) kind: Cow<'static, str>,
    /// The order, or the record's place where it has none.
    pub(crate) id: String,
    /// For people.
    pub(crate) detail: String,
}

impl Problem {
    pub(super) fn new(kind: &'static str, id: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind: Cow::Borrowed(kind), id: id.into(), detail: detail.into() }
    }
}
