//! The price book: everything a price depends on beside the mesh and the item, versioned, in a file.
//!
//! A quote stores the book's id and the id of the metal fix; with the same book it can be computed
//! again to the cent. A book is never edited under its id: a change is a new book.

mod decimal;
mod load;
mod price;

use std::collections::BTreeMap;

pub use decimal::Micro;
pub use load::Error;
pub use price::price;

/// A checked price book. Amounts are micro-units of the currency unit, percentages millionths of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceBook {
    /// Names this version for good.
    pub id: String,
    /// ISO 4217; EUR in every book that was loaded.
    pub currency: String,
    /// Digits of the currency's minor unit: 2 for cents, as in every book that was loaded.
    pub minor_digits: u32,
    /// Names the metal prices used.
    pub metal_fix: String,
    /// Materials by name, for example `silver-925`.
    pub alloys: BTreeMap<String, Alloy>,
    /// Of the metal that is worked, lost and not won back.
    pub loss: Micro,
    /// On the metal.
    pub markup: Micro,
    /// Poured on top of the piece and won back; it takes casting, not metal.
    pub sprue: Micro,
    /// Fee per piece cast.
    pub casting_per_piece: Micro,
    /// Fee per gram poured.
    pub casting_per_gram: Micro,
    /// Hours of work per piece.
    pub hours_per_piece: Micro,
    /// Amount per hour.
    pub rate_per_hour: Micro,
    /// Finishes by name, for example `polished`.
    pub finishes: BTreeMap<String, Finish>,
    /// Once per order.
    pub setup_fee: Micro,
    /// Share of the price before tax, below 1.
    pub margin: Micro,
    /// Of an order, before tax.
    pub minimum_price: Micro,
    /// On the whole.
    pub tax: Micro,
}

/// What a piece can be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alloy {
    /// For people.
    pub name: String,
    /// g/cm³.
    pub density: Micro,
    /// Share of the precious metal.
    pub fineness: Micro,
    /// Of the precious metal, per troy ounce.
    pub spot_per_troy_ounce: Micro,
}

/// How a surface is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// For people.
    pub name: String,
    /// Amount per cm² of surface.
    pub fee_per_cm2: Micro,
}

#[cfg(test)]
mod tests;
