//! The price of a measured model, line by line.
//!
//! ```text
//! net      = volume · density                                        per piece
//! metal    = net · spot/31.1034768 · fineness · (1+loss) · (1+markup)
//! casting  = fee per piece + net · (1+sprue) · fee per gram poured
//! labour   = hours · rate
//! finish   = area · fee per cm²
//! cost     = (metal + casting + labour + finish) · quantity + setup
//! margin   = cost · m/(1−m)        so that it is the share m of cost + margin
//! minimum  = what is missing to the minimum price, if anything
//! tax      = (cost + margin + minimum) · tax
//! ```
//!
//! Rounding, in this order and nowhere else, halves away from zero: the measured volume and area to
//! millionths of a mm³ and mm²; the mass of a piece to a nanogram; the metal's price per gram to a
//! millionth of the currency unit; each line, for the whole quantity, to the minor unit. Margin,
//! minimum and tax are taken of rounded lines. The price is the sum of the lines.

use atelier_schemas::{Item, Measures, Money, Quote, QuoteLine};

use super::decimal::{product, round_div};
use super::{Alloy, Finish, Micro, PriceBook};
use crate::ALGORITHM;
use crate::failure::{Failure, Kind};

/// Grams in a troy ounce, times ten million: 31.1034768 g exactly.
const TROY_OUNCE_G_E7: i128 = 311_034_768;
/// Millionths in one.
const ONE: i128 = Micro::ONE as i128;
/// Nanograms in a gram.
const NG_PER_G: i128 = 1_000_000_000;

/// Prices `item` made after a model with these measures. Adds no warnings: what is odd about the mesh
/// was said when it was measured.
///
/// # Errors
/// [`Kind::UnknownMaterial`], [`Kind::UnknownFinish`]; [`Kind::TooLarge`] when a measure or the price passes
/// what it is counted in; [`Kind::Internal`] for measures or quantities no order can have.
pub fn price(measures: &Measures, item: &Item, book: &PriceBook, model_sha256: &str) -> Result<Quote, Failure> {
    let alloy =
        book.alloys.get(&item.material).ok_or_else(|| unknown(Kind::UnknownMaterial, "material", &item.material, book.alloys.keys()))?;
    let finish =
        book.finishes.get(&item.finish).ok_or_else(|| unknown(Kind::UnknownFinish, "finish", &item.finish, book.finishes.keys()))?;
    if item.quantity < 1 {
        return Err(Failure::new(Kind::Internal, format!("the quantity is {}; it must be at least 1", item.quantity)));
    }
    let piece = Piece { volume: micro(measures.volume_mm3)?, area: micro(measures.area_mm2)?, quantity: i128::from(item.quantity), book };
    let lines = piece.lines(alloy, finish).ok_or_else(|| {
        let text = format!(
            "{} pieces of {:.1} mm³ cost more than can be counted; a seller has to quote this order by hand",
            item.quantity, measures.volume_mm3
        );
        Failure::new(Kind::TooLarge, text)
    })?;
    Ok(Quote {
        price: Money { minor: lines.iter().map(|line| line.minor).sum(), currency: book.currency.clone() },
        lines,
        model_sha256: model_sha256.to_owned(),
        algorithm: ALGORITHM.to_owned(),
        price_book: book.id.clone(),
        metal_fix: book.metal_fix.clone(),
        measures: measures.clone(),
        warnings: Vec::new(),
    })
}

struct Piece<'a> {
    /// Millionths of a mm³.
    volume: i128,
    /// Millionths of a mm².
    area: i128,
    quantity: i128,
    book: &'a PriceBook,
}

impl Piece<'_> {
    /// `None` when a number does not fit.
    fn lines(&self, alloy: &Alloy, finish: &Finish) -> Option<Vec<QuoteLine>> {
        let book = self.book;
        // mm³ · g/cm³ is mg; millionths of both make millionths of a nanogram.
        let net_ng = round_div(product([self.volume, alloy.density.wide()])?, ONE);
        let per_gram = metal_per_gram(alloy, book)?;
        let mut lines = vec![
            line("metal", self.metal_text(alloy, net_ng, per_gram), self.total(product([net_ng, per_gram])?, NG_PER_G)?),
            line("casting", format!("Casting, with {} % sprue", of_hundred(book.sprue)), self.casting(net_ng)?),
            line(
                "labour",
                format!("{} h per piece at {} per hour", book.hours_per_piece, book.rate_per_hour),
                self.total(product([book.hours_per_piece.wide(), book.rate_per_hour.wide()])?, ONE)?,
            ),
            // mm² · fee per cm²: a hundred mm² in a cm².
            line(
                "finish",
                format!("{}: {} cm² per piece at {} per cm²", finish.name, in_units(self.area, 100 * ONE), finish.fee_per_cm2),
                self.total(product([self.area, finish.fee_per_cm2.wide()])?, 100 * ONE)?,
            ),
            line("setup", "Setup, once per order".to_owned(), self.minor(book.setup_fee.wide(), 1)?),
        ];
        let cost = sum(&lines)?;
        let margin = round_div(product([cost, book.margin.wide()])?, ONE - book.margin.wide());
        lines.push(line("margin", format!("Margin, {} % of the price before tax", of_hundred(book.margin)), fits(margin)?));
        let missing = i128::from(self.minor(book.minimum_price.wide(), 1)?) - sum(&lines)?;
        if missing > 0 {
            lines.push(line("minimum", format!("Up to the minimum price of {}", book.minimum_price), fits(missing)?));
        }
        let tax = round_div(product([sum(&lines)?, book.tax.wide()])?, ONE);
        lines.push(line("tax", format!("Tax, {} %", of_hundred(book.tax)), fits(tax)?));
        fits(sum(&lines)?)?;
        Some(lines)
    }

    fn casting(&self, net_ng: i128) -> Option<i64> {
        let book = self.book;
        let poured = product([net_ng, ONE + book.sprue.wide(), book.casting_per_gram.wide()])?;
        let scale = NG_PER_G * ONE;
        self.total(product([book.casting_per_piece.wide(), scale])?.checked_add(poured)?, scale)
    }

    /// `amount / scale` millionths of the currency unit per piece, for all pieces, in minor units.
    fn total(&self, amount: i128, scale: i128) -> Option<i64> {
        self.minor(amount.checked_mul(self.quantity)?, scale)
    }

    /// `amount / scale` millionths of the currency unit in minor units.
    fn minor(&self, amount: i128, scale: i128) -> Option<i64> {
        fits(round_div(amount, scale.checked_mul(10_i128.pow(6 - self.book.minor_digits))?))
    }

    fn metal_text(&self, alloy: &Alloy, net_ng: i128, per_gram: i128) -> String {
        format!(
            "{}: {} g per piece at {} per g, with {} % loss and {} % markup",
            alloy.name,
            in_units(net_ng, NG_PER_G),
            Micro(per_gram as i64),
            of_hundred(self.book.loss),
            of_hundred(self.book.markup),
        )
    }
}

/// Millionths of the currency unit per gram of alloy, loss and markup included. Its factors are bounded
/// by the book's checks: at most 10^11 · 10^6 · 2·10^6 · 1.1·10^7 · 10^7, which fits.
fn metal_per_gram(alloy: &Alloy, book: &PriceBook) -> Option<i128> {
    let factors = [alloy.spot_per_troy_ounce.wide(), alloy.fineness.wide(), ONE + book.loss.wide(), ONE + book.markup.wide(), 10_000_000];
    Some(round_div(product(factors)?, product([ONE, ONE, ONE, TROY_OUNCE_G_E7])?))
}

/// The one place where a measured float becomes an integer.
fn micro(measure: f64) -> Result<i128, Failure> {
    let millionths = (measure * 1e6).round();
    // Below 2^53 · 10^3 every whole number of millionths is at least close.
    if (0.0..1e18).contains(&millionths) {
        Ok(millionths as i128)
    } else if measure.is_finite() && measure > 0.0 {
        // Within the box limit only where faces lie upon each other thousands of times.
        let text = format!(
            "the faces add up to {measure:.1e} mm² or mm³, more than can be priced; remove faces that are there many times, \
             or a seller has to quote this order by hand"
        );
        Err(Failure::new(Kind::TooLarge, text))
    } else {
        Err(Failure::new(Kind::Internal, format!("{measure} is not a measure of a model")))
    }
}

fn line(code: &str, text: String, minor: i64) -> QuoteLine {
    QuoteLine { code: code.to_owned(), text, minor }
}

fn sum(lines: &[QuoteLine]) -> Option<i128> {
    lines.iter().map(|line| i128::from(line.minor)).try_fold(0_i128, i128::checked_add)
}

fn fits(minor: i128) -> Option<i64> {
    i64::try_from(minor).ok()
}

/// For people: three decimals are enough.
fn in_units(amount: i128, per_unit: i128) -> String {
    let thousandths = round_div(amount * 1000, per_unit);
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

fn of_hundred(share: Micro) -> Micro {
    Micro(share.0 * 100)
}

fn unknown<'a>(kind: Kind, what: &str, given: &str, known: impl Iterator<Item = &'a String>) -> Failure {
    let shown: String = given.chars().take(40).collect();
    let known = known.map(String::as_str).collect::<Vec<_>>().join(", ");
    Failure::new(kind, format!("the price book has no {what} \"{shown}\"; it has {known}"))
}
