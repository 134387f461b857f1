//! From a model's bytes to a quote in one call: the function that explains every price.

use atelier_schemas::{Item, Quote};

use crate::book::{PriceBook, price};
use crate::failure::{Failure, Kind};
use crate::measure::{Measured, measure};
use crate::mesh::{Loaded, read_stl};
use crate::ring::RingSpec;

/// Reads the mesh of a model: `stl`, or `ring` (the constructor's parameters as JSON).
///
/// # Errors
/// [`Kind::UnsupportedFormat`] for formats that need a manual quote, [`Kind::UnreadableModel`] or
/// [`Kind::TooLarge`] for what is wrong with the bytes.
pub fn load(format: &str, bytes: &[u8]) -> Result<Loaded, Failure> {
    match format {
        "stl" => Ok(read_stl(bytes)?),
        "ring" => {
            let spec = RingSpec::from_json(bytes)?;
            Ok(Loaded { mesh: spec.mesh()?, warnings: spec.warnings() })
        }
        other => {
            let shown: String = other.chars().take(20).collect();
            Err(Failure::new(
                Kind::UnsupportedFormat,
                format!(
                    "models of format \"{shown}\" are not measured automatically; a seller has to quote this order by hand, or upload it as STL"
                ),
            ))
        }
    }
}

/// Reads and measures a model, with all warnings.
///
/// # Errors
/// As [`load`], and [`Kind::UnreadableModel`] when it is not a body.
pub fn measure_model(format: &str, bytes: &[u8]) -> Result<(Loaded, Measured), Failure> {
    let loaded = load(format, bytes)?;
    let mut measured = measure(&loaded.mesh)?;
    measured.warnings.splice(0..0, loaded.warnings.iter().cloned());
    Ok((loaded, measured))
}

/// The quote for a measured model.
///
/// # Errors
/// As [`price`].
pub fn quote(measured: &Measured, item: &Item, book: &PriceBook, model_sha256: &str) -> Result<Quote, Failure> {
    let mut quote = price(&measured.measures, item, book, model_sha256)?;
    // What the mesh says about itself comes with numbers; what the price adds has none.
    quote.warnings = measured.warnings.iter().map(ToString::to_string).collect();
    Ok(quote)
}

/// The price of a model: the same bytes, item and book give the same quote.
///
/// # Errors
/// As [`measure_model`] and [`quote`].
pub fn price_model(format: &str, bytes: &[u8], item: &Item, book: &PriceBook, model_sha256: &str) -> Result<Quote, Failure> {
    let (_, measured) = measure_model(format, bytes)?;
    quote(&measured, item, book, model_sha256)
}
