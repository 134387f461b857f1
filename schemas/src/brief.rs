//! The few fields of a record that somebody needs who reads all of them: the audit.

use serde::Deserialize;
use uuid::Uuid;

use crate::codec::part_of;
use crate::event::optional_uuid;
use crate::{Command, Event, Unreadable};

/// Which command a record holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CommandBrief {
    /// See [`Command::order_id`].
    #[serde(with = "uuid::serde::hyphenated")]
    pub order_id: Uuid,
    /// See [`Command::command_id`].
    #[serde(with = "uuid::serde::hyphenated")]
    pub command_id: Uuid,
}

impl CommandBrief {
    /// Reads this part of a framed command.
    ///
    /// # Errors
    /// [`Unreadable`], as when reading the whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        part_of::<Command, Self>(bytes)
    }
}

/// What an event is, who caused it, and where the order stands after it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EventBrief {
    /// See [`Event::order_id`].
    #[serde(with = "uuid::serde::hyphenated")]
    pub order_id: Uuid,
    /// See [`Event::version`].
    pub version: i64,
    /// See [`Event::type_name`].
    #[serde(rename = "type")]
    pub type_name: String,
    /// See [`Event::command_id`].
    #[serde(default, with = "optional_uuid")]
    pub command_id: Option<Uuid>,
    /// See [`Event::after`].
    pub after: AfterBrief,
}

/// Part of [`After`](crate::After).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AfterBrief {
    /// Public status.
    pub status: String,
    /// Inner stage.
    pub stage: String,
    /// Whether the order is on hold.
    pub held: bool,
}

impl EventBrief {
    /// Reads this part of a framed event.
    ///
    /// # Errors
    /// [`Unreadable`], as when reading the whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        part_of::<Event, Self>(bytes)
    }
}
