//! Who may ask.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The part somebody plays towards an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Through the shop.
    Customer,
    /// Through the partner API.
    Partner,
    /// Through the partner API with a key of the sandbox: the buyer, the works and the carrier of orders that are never made.
    Sandbox,
    /// At the bench.
    Operator,
    /// In the CRM.
    Seller,
    /// Operator and seller at once.
    Admin,
    /// A pricing worker.
    Worker,
    /// Delivers parcels.
    Carrier,
    /// The engine's own timers.
    Engine,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 9] = [
        Role::Customer,
        Role::Partner,
        Role::Sandbox,
        Role::Operator,
        Role::Seller,
        Role::Admin,
        Role::Worker,
        Role::Carrier,
        Role::Engine,
    ];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Customer => "customer",
            Role::Partner => "partner",
            Role::Sandbox => "sandbox",
            Role::Operator => "operator",
            Role::Seller => "seller",
            Role::Admin => "admin",
            Role::Worker => "worker",
            Role::Carrier => "carrier",
            Role::Engine => "engine",
        }
    }
}

/// A name that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role: use customer, partner, sandbox, operator, seller, admin, worker, carrier or engine")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
