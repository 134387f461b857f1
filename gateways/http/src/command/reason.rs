//! The body of what people do by hand: why.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::problem::Refusal;
use crate::validate::{Check, REASON_MAX_CHARS};

/// Why. Stays with the order for ever.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "the customer asked for it by phone"}))]
pub(crate) struct Reason {
    /// 1 to 500 characters; no personal data.
    reason: String,
}

/// Why, if there is something to say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OptionalReason {
    /// 1 to 500 characters; no personal data.
    reason: Option<String>,
}

impl Reason {
    /// # Errors
    /// 422 when it says nothing or too much.
    pub(crate) fn checked(self) -> Result<String, Refusal> {
        checked("reason", self.reason)
    }
}

impl OptionalReason {
    /// # Errors
    /// 422 when it is given and says nothing or too much.
    pub(crate) fn checked(self) -> Result<Option<String>, Refusal> {
        self.reason.map(|reason| checked("reason", reason)).transpose()
    }
}

/// # Errors
/// 422 when it says nothing or too much.
pub(crate) fn checked(field: &str, text: String) -> Result<String, Refusal> {
    let mut check = Check::new();
    check.text(field, &text, REASON_MAX_CHARS);
    check.done().map(|()| text)
}
