//! From a file to a checked book. An error names the field and what it should look like.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::{Alloy, Finish, Micro, PriceBook};

/// Longer files are not price books.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Why a file is not a price book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the price book {path}: {cause}")]
    File {
        /// As given.
        path: String,
        /// From the system.
        cause: String,
    },
    /// Not JSON, an unknown or missing field, a wrong type.
    #[error("the price book is not what it should be: {0}")]
    Json(String),
    /// A value that cannot be right.
    #[error("price book, {field}: {given:?} {problem}")]
    Field {
        /// The path of the field, for example `alloys[2].fineness`.
        field: String,
        /// As given.
        given: String,
        /// What is wrong and what it should be.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBook {
    id: String,
    #[serde(default, rename = "note")]
    _note: String,
    currency: String,
    minor_digits: u32,
    metal_fix: RawFix,
    alloys: Vec<RawAlloy>,
    metal: RawMetal,
    casting: RawCasting,
    labour: RawLabour,
    finishes: Vec<RawFinish>,
    setup_fee: String,
    margin_percent: String,
    minimum_price: String,
    tax_percent: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFix {
    id: String,
    spot_per_troy_ounce: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAlloy {
    material: String,
    name: String,
    metal: String,
    density_g_per_cm3: String,
    fineness: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMetal {
    loss_percent: String,
    markup_percent: String,
    sprue_percent: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCasting {
    fee_per_piece: String,
    fee_per_gram_poured: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLabour {
    hours_per_piece: String,
    rate_per_hour: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFinish {
    finish: String,
    name: String,
    fee_per_cm2: String,
}

impl PriceBook {
    /// The book that comes with the program.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn builtin() -> Self {
        Self::from_json(include_bytes!("../../data/price-book.json")).expect("the book that comes with the program is right")
    }

    /// Reads a book from a file.
    ///
    /// # Errors
    /// [`Error`] names the file or the field.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = |cause: String| Error::File { path: path.display().to_string(), cause };
        let size_bytes = std::fs::metadata(path).map_err(|e| file(e.to_string()))?.len();
        if size_bytes > MAX_FILE_BYTES {
            return Err(file(format!("it has {size_bytes} bytes, {MAX_FILE_BYTES} are allowed")));
        }
        Self::from_json(&std::fs::read(path).map_err(|e| file(e.to_string()))?)
    }

    /// Reads a book.
    ///
    /// # Errors
    /// [`Error::Json`] or [`Error::Field`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        let raw: RawBook = serde_json::from_slice(bytes).map_err(|error| Error::Json(error.to_string()))?;
        // Terms, prices by hand and whatever shows a price count in cents of the euro.
        require(raw.currency == "EUR", "currency", &raw.currency, "is not taken; write EUR, and all amounts in it")?;
        require(raw.minor_digits == 2, "minor_digits", &raw.minor_digits.to_string(), "must be 2: the euro has cents")?;
        Ok(Self {
            id: named("id", raw.id)?,
            currency: raw.currency,
            minor_digits: raw.minor_digits,
            alloys: alloys(raw.alloys, &raw.metal_fix.spot_per_troy_ounce)?,
            metal_fix: named("metal_fix.id", raw.metal_fix.id)?,
            loss: percent("metal.loss_percent", &raw.metal.loss_percent, 100)?,
            markup: percent("metal.markup_percent", &raw.metal.markup_percent, 1000)?,
            sprue: percent("metal.sprue_percent", &raw.metal.sprue_percent, 100)?,
            casting_per_piece: amount("casting.fee_per_piece", &raw.casting.fee_per_piece)?,
            casting_per_gram: amount("casting.fee_per_gram_poured", &raw.casting.fee_per_gram_poured)?,
            hours_per_piece: decimal("labour.hours_per_piece", &raw.labour.hours_per_piece, "0", "1000")?,
            rate_per_hour: amount("labour.rate_per_hour", &raw.labour.rate_per_hour)?,
            finishes: finishes(raw.finishes)?,
            setup_fee: amount("setup_fee", &raw.setup_fee)?,
            margin: percent("margin_percent", &raw.margin_percent, 95)?,
            minimum_price: amount("minimum_price", &raw.minimum_price)?,
            tax: percent("tax_percent", &raw.tax_percent, 100)?,
        })
    }
}

fn alloys(raw: Vec<RawAlloy>, spots: &BTreeMap<String, String>) -> Result<BTreeMap<String, Alloy>, Error> {
    require(!raw.is_empty(), "alloys", "", "needs at least one material")?;
    let mut alloys = BTreeMap::new();
    let mut used = BTreeSet::new();
    for (index, alloy) in raw.into_iter().enumerate() {
        let field = |name: &str| format!("alloys[{index}].{name}");
        let spot = spots.get(&alloy.metal);
        require(spot.is_some(), &field("metal"), &alloy.metal, "has no price in metal_fix.spot_per_troy_ounce; add it there")?;
        let spot_field = format!("metal_fix.spot_per_troy_ounce.{}", alloy.metal);
        let checked = Alloy {
            name: named(&field("name"), alloy.name)?,
            density: decimal(&field("density_g_per_cm3"), &alloy.density_g_per_cm3, "1", "30")?,
            fineness: decimal(&field("fineness"), &alloy.fineness, "0.001", "1")?,
            spot_per_troy_ounce: amount(&spot_field, spot.map_or("", String::as_str))?,
        };
        used.insert(alloy.metal);
        let material = named(&field("material"), alloy.material)?;
        let twice = alloys.insert(material.clone(), checked).is_some();
        require(!twice, &field("material"), &material, "is there twice")?;
    }
    match spots.keys().find(|metal| !used.contains(*metal)) {
        Some(unused) => Err(wrong("metal_fix.spot_per_troy_ounce", unused, "is the metal of no alloy; correct its name or remove it")),
        None => Ok(alloys),
    }
}

fn finishes(raw: Vec<RawFinish>) -> Result<BTreeMap<String, Finish>, Error> {
    require(!raw.is_empty(), "finishes", "", "needs at least one finish")?;
    let mut finishes = BTreeMap::new();
    for (index, finish) in raw.into_iter().enumerate() {
        let field = |name: &str| format!("finishes[{index}].{name}");
        let fee_per_cm2 = amount(&field("fee_per_cm2"), &finish.fee_per_cm2)?;
        let key = named(&field("finish"), finish.finish)?;
        let twice = finishes.insert(key.clone(), Finish { name: named(&field("name"), finish.name)?, fee_per_cm2 }).is_some();
        require(!twice, &field("finish"), &key, "is there twice")?;
    }
    Ok(finishes)
}

fn named(field: &str, text: String) -> Result<String, Error> {
    let ok = !text.trim().is_empty() && text.chars().count() <= 80 && !text.chars().any(char::is_control);
    require(ok, field, &text, "must be a name of 1 to 80 characters")?;
    Ok(text)
}

fn amount(field: &str, text: &str) -> Result<Micro, Error> {
    decimal(field, text, "0", "100000")
}

/// Per cent to a share of one, exactly.
fn percent(field: &str, text: &str, most: u32) -> Result<Micro, Error> {
    let percent = decimal(field, text, "0", &most.to_string())?;
    require(percent.0 % 100 == 0, field, text, "has more than four decimals; percentages have at most four")?;
    Ok(Micro(percent.0 / 100))
}

fn decimal(field: &str, text: &str, least: &str, most: &str) -> Result<Micro, Error> {
    let bound = |text| Micro::parse(text).expect("bounds are written here");
    let Some(value) = Micro::parse(text) else {
        return Err(wrong(field, text, "is not a decimal number; write it like \"12.50\", with at most six decimals and no sign"));
    };
    let inside = (bound(least)..=bound(most)).contains(&value);
    require(inside, field, text, &format!("is out of range; it must be between {least} and {most}"))?;
    Ok(value)
}

fn require(ok: bool, field: &str, given: &str, problem: &str) -> Result<(), Error> {
    if ok { Ok(()) } else { Err(wrong(field, given, problem)) }
}

fn wrong(field: &str, given: &str, problem: &str) -> Error {
    Error::Field { field: field.to_owned(), given: given.chars().take(80).collect(), problem: problem.to_owned() }
}
