//! Records used inside other records.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A word of the engine's vocabulary, which need not be copied to be written.
pub type Word = Cow<'static, str>;

/// A command that nobody could read when it was sent, decided after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// Who sent it once more.
    pub actor: Actor,
    /// Why.
    pub reason: String,
}

/// Who asked. `name` is a staff name, worker id, partner id or channel; never a customer's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// customer, partner, sandbox, operator, seller, admin, worker, carrier or engine.
    pub role: String,
    /// Who, within the role.
    pub name: String,
}

/// What is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// A material of the price book, for example `silver-925`.
    pub material: String,
    /// Pieces, at least 1.
    pub quantity: i32,
    /// `polished`, `matte` or `raw`.
    pub finish: String,
}

/// Personal data. Its `Debug` shows nothing of it, so that no log line can.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// As given by the customer.
    pub name: String,
    /// As given by the customer.
    pub email: String,
}

impl std::fmt::Debug for Customer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Customer(redacted)")
    }
}

/// The bytes of a model in the object store, by their hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Lower-case hex of the SHA-256 of the bytes.
    pub sha256: String,
    /// `stl`, `obj`, `3mf`, or `ring`: the constructor's parameters as JSON.
    pub format: String,
    /// Length of the bytes.
    pub size_bytes: i64,
}

/// An amount in minor units. Never a float.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Cents of EUR, and the like.
    pub minor: i64,
    /// ISO 4217.
    pub currency: String,
}

/// One line of a price. May be negative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteLine {
    /// Stable name: `metal`, `labour`, `finish`, `margin`, `tax` …
    pub code: String,
    /// For people.
    pub text: String,
    /// Minor units of the quote's currency.
    pub minor: i64,
}

/// What was measured on the mesh.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Signed tetrahedra, absolute value.
    pub volume_mm3: f64,
    /// Sum of the faces.
    pub area_mm2: f64,
    /// Faces read.
    pub triangles: i64,
    /// Every edge is shared by exactly two faces.
    pub watertight: bool,
    /// Extent along x, y, z.
    pub size_mm: Vec<f64>,
}

/// A price with all that is needed to explain and recompute it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quote {
    /// For the whole order, all pieces.
    pub price: Money,
    /// Their sum is the price.
    pub lines: Vec<QuoteLine>,
    /// Of the model measured.
    pub model_sha256: String,
    /// Name and version of the measuring and pricing code.
    pub algorithm: String,
    /// Id of the price book used.
    pub price_book: String,
    /// Id of the metal prices used.
    pub metal_fix: String,
    /// Of the mesh.
    pub measures: Measures,
    /// For the seller: not watertight, thin, and the like.
    pub warnings: Vec<String>,
}
