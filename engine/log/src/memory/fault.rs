//! What can be made to go wrong.

/// One thing that goes wrong once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next append writes nothing and is `Unavailable`.
    RefuseAppend,
    /// The next append is written, and its caller told `Unavailable` all the same: a connection that breaks
    /// between a broker's write and its reply. Whoever sends the command again must not get it decided twice.
    LoseAppendReply,
    /// The next commit writes nothing and is `Refused`.
    RefuseCommit,
    /// The next commit is written, and its owner told `Lost`; the partition is assigned to it anew.
    CommitThenLost,
    /// The next commit writes nothing, and its owner is told `Lost`; the partition is assigned to it anew.
    LostBeforeCommit,
}

impl Fault {
    pub(super) fn of_append(self) -> bool {
        matches!(self, Self::RefuseAppend | Self::LoseAppendReply)
    }

    pub(super) fn of_commit(self) -> bool {
        !self.of_append()
    }
}
