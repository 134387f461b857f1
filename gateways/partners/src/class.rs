//! What a partner may ask how often.

/// How much a partner is given. Set when its first key is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Class {
    /// A partner with a few orders an hour.
    #[default]
    Standard,
    /// One with a few a second.
    Large,
    /// Not a partner's: what any partner's sandbox is given, so that trying things out starves nobody.
    Sandbox,
}

/// What a request does, each with a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Looks.
    Read,
    /// Asks something of an order.
    Write,
    /// Brings a file.
    Upload,
}

impl Kind {
    /// The name of its limit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Upload => "upload",
        }
    }
}

/// So many requests at once, and as many again within so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// From none left to all of them, in seconds.
    pub window_s: u32,
}

impl Class {
    /// Those a partner can have.
    pub const ALL: [Class; 2] = [Class::Standard, Class::Large];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Standard => "standard",
            Class::Large => "large",
            Class::Sandbox => "sandbox",
        }
    }

    /// How often the partner may ask, whatever its keys.
    #[rustfmt::skip]
    pub const fn rate(self, kind: Kind) -> Rate {
        match (self, kind) {
            (Class::Standard, Kind::Read)   => Rate { burst: 100, window_s: 5 },
            (Class::Standard, Kind::Write)  => Rate { burst:  40, window_s: 4 },
            (Class::Standard, Kind::Upload) => Rate { burst:  20, window_s: 20 },
            (Class::Large,    Kind::Read)   => Rate { burst: 1000, window_s: 5 },
            (Class::Large,    Kind::Write)  => Rate { burst:  400, window_s: 4 },
            (Class::Large,    Kind::Upload) => Rate { burst:  100, window_s: 20 },
            (Class::Sandbox,  Kind::Read)   => Rate { burst:   50, window_s: 5 },
            (Class::Sandbox,  Kind::Write)  => Rate { burst:   20, window_s: 4 },
            (Class::Sandbox,  Kind::Upload) => Rate { burst:    5, window_s: 20 },
        }
    }

    /// Requests of the partner under way at once, whatever its keys.
    pub const fn concurrency(self) -> usize {
        match self {
            Class::Standard => 16,
            Class::Large => 64,
            Class::Sandbox => 4,
        }
    }

    /// Orders that are neither closed nor cancelled.
    pub const fn open_orders(self) -> i64 {
        match self {
            Class::Standard => 1_000,
            Class::Large => 20_000,
            Class::Sandbox => 100,
        }
    }

    /// Orders that wait for a price.
    pub const fn pricing_orders(self) -> i64 {
        match self {
            Class::Standard => 100,
            Class::Large => 2_000,
            Class::Sandbox => 5,
        }
    }
}

/// A name that is none of a class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no class of partners: use standard or large")]
pub struct UnknownClass(pub String);

impl std::str::FromStr for Class {
    type Err = UnknownClass;
    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or_else(|| UnknownClass(text.to_owned()))
    }
}
