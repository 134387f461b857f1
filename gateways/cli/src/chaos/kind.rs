//! What is done to whom.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::settings::LogChoice;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// SIGKILL, and up again at once.
    Kill,
    /// SIGKILL again while it starts.
    KillTwice,
    /// SIGKILL; it stays away until the others have taken over.
    Replace,
    /// SIGSTOP for longer than a session lasts, then SIGCONT: it does not know that it was away.
    Pause,
    /// SIGTERM, and up again.
    End,
    /// One life with a wrong clock.
    Skew,
    /// Others of its kind join and are killed, quickly.
    Storm,
}

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) act: Act,
    /// Processes whose name begins so.
    pub(super) role: &'static str,
}

#[rustfmt::skip]
const TOGETHER: &[Kind] = &[
    Kind { act: Act::Kill,      role: "up" },
    Kind { act: Act::KillTwice, role: "up" },
    Kind { act: Act::Pause,     role: "up" },
    Kind { act: Act::End,       role: "up" },
    Kind { act: Act::Skew,      role: "up" },
];
#[rustfmt::skip]
const APART: &[Kind] = &[
    Kind { act: Act::Kill,      role: "engine" },
    Kind { act: Act::KillTwice, role: "engine" },
    Kind { act: Act::Replace,   role: "engine" },
    Kind { act: Act::Pause,     role: "engine" },
    Kind { act: Act::End,       role: "engine" },
    Kind { act: Act::Skew,      role: "engine" },
    Kind { act: Act::Storm,     role: "engine" },
    Kind { act: Act::Kill,      role: "gateway" },
    Kind { act: Act::Pause,     role: "gateway" },
    Kind { act: Act::Kill,      role: "projections" },
    Kind { act: Act::Pause,     role: "projections" },
    Kind { act: Act::Kill,      role: "pricing" },
    Kind { act: Act::Pause,     role: "pricing" },
    Kind { act: Act::Kill,      role: "webhooks" },
    Kind { act: Act::Pause,     role: "webhooks" },
];

impl Kind {
    /// All that can be done on such a log: one process has the embedded one.
    pub(super) fn all(log: &LogChoice) -> &'static [Kind] {
        match log {
            LogChoice::Embedded => TOGETHER,
            LogChoice::Kafka { .. } => APART,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let act = match self.act {
            Act::Kill => "kill",
            Act::KillTwice => "kill twice",
            Act::Replace => "replace",
            Act::Pause => "pause",
            Act::End => "end",
            Act::Skew => "wrong clock",
            Act::Storm => "storm",
        };
        write!(f, "{act}: {}", self.role)
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
