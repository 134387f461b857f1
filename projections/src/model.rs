//! The read models by name.

use atelier_schemas::Topic;

/// A read model. Its name is in the tables `offsets` and `parked` and in the metrics' labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Model {
    /// The order and its timeline, as the buyer sees them.
    Shop,
    /// The operators' queue.
    Queue,
    /// The sellers' lists and the counts by status.
    Crm,
    /// The orders of each partner.
    Partner,
    /// What partners saw, change by change.
    Feed,
    /// Orders that do not move or got lost.
    Gaps,
    /// The answers to commands.
    Outcomes,
}

impl Model {
    /// All of them.
    pub const ALL: &'static [Model] = &[Model::Shop, Model::Queue, Model::Crm, Model::Partner, Model::Feed, Model::Gaps, Model::Outcomes];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Model::Shop => "shop",
            Model::Queue => "queue",
            Model::Crm => "crm",
            Model::Partner => "partner",
            Model::Feed => "feed",
            Model::Gaps => "gaps",
            Model::Outcomes => "outcomes",
        }
    }

    /// What it is made from.
    pub const fn topic(self) -> Topic {
        match self {
            Model::Shop | Model::Queue | Model::Crm | Model::Partner | Model::Feed | Model::Gaps => Topic::Events,
            Model::Outcomes => Topic::Outcomes,
        }
    }
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
