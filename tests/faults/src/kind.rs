//! The kinds of faults.

use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)+) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $kind,)+ }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)+];
        }

        impl fmt::Display for Kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Kind::$kind => $name,)+ })
            }
        }

        impl std::str::FromStr for Kind {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($name => Ok(Kind::$kind),)+
                    _ => Err(format!("{text:?} is no kind of fault; there are: {}", [$($name),+].join(", "))),
                }
            }
        }
    };
}

kinds! {
    /// SIGKILL; back at once under its name.
    KillEngine = "engine-killed",
    /// SIGKILL; another takes over before it is back.
    ReplaceEngine = "engine-replaced",
    /// SIGSTOP until another has taken over, then SIGCONT: a zombie.
    FreezeEngine = "engine-frozen",
    /// One life with a clock that is 20 s wrong.
    SkewEngine = "engine-clock-wrong",
    /// Engines join and die faster than the group settles.
    Storm = "rebalance-storm",
    /// SIGKILL; back at once.
    KillGateway = "gateway-killed",
    /// SIGKILL; back at once.
    KillProjections = "projections-killed",
    /// SIGKILL; back at once, under another name.
    KillPricing = "pricing-killed",
    /// SIGSTOP past session and lease, then SIGCONT.
    FreezePricing = "pricing-frozen",
    /// SIGKILL of one of three nodes; back once everything moves without it.
    KillBroker = "broker-killed",
    /// SIGSTOP of one of three nodes until the others lead, then SIGCONT while an engine takes over: it still believes to lead.
    FreezeBroker = "broker-frozen",
    /// No client reaches one node, its peers do.
    CutBroker = "broker-cut-from-clients",
    /// Nothing reaches one node, while it reaches the others.
    IsolateBroker = "broker-cut-from-all",
    /// Every request to one node takes longer.
    SlowBroker = "broker-slow",
    /// Every ListOffsets arrives late while an engine takes partitions over.
    SlowListOffsets = "list-offsets-slow",
    /// An EndTxn is held back for seconds.
    HoldEndTxn = "end-txn-held",
    /// The answer to an EndTxn is held back for seconds.
    HoldReply = "end-txn-answer-held",
    /// The connection breaks with an EndTxn on its way, which arrives seconds later.
    LateEndTxn = "end-txn-late",
    /// The engines are killed between an EndTxn and its answer.
    KillInCommit = "engines-killed-in-commit",
    /// The engines are killed with an EndTxn on its way, which arrives seconds later.
    KillBeforeCommit = "engines-killed-before-commit",
    /// A fast shutdown of PostgreSQL; back after seconds.
    StopStore = "store-restarted",
    /// SIGKILL of PostgreSQL; back after seconds.
    KillStore = "store-killed",
    /// No byte left where the embedded log, the read models and the models lie.
    FullDisk = "disk-full",
    /// Records in `orders.commands` that are no good commands.
    PoisonCommands = "poison-commands",
    /// Records in `pricing.jobs` that are no jobs.
    PoisonJobs = "poison-jobs",
    /// Records in `orders.events` that are no events.
    PoisonEvents = "poison-events",
}
