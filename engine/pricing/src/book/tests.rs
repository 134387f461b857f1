//! A price by hand, the rules of rounding, and books that are refused.

use atelier_schemas::{Item, Measures, Quote};
use proptest::prelude::*;

use super::decimal::{product, round_div};
use super::{Error, Micro, PriceBook, price};
use crate::failure::Kind;

fn measures(volume_mm3: f64, area_mm2: f64) -> Measures {
    Measures { volume_mm3, area_mm2, triangles: 100, watertight: true, size_mm: vec![20.0, 4.0, 20.0] }
}

fn item(material: &str, quantity: i32, finish: &str) -> Item {
    Item { material: material.into(), quantity, finish: finish.into() }
}

fn lines(quote: &Quote) -> Vec<(&str, i64)> {
    quote.lines.iter().map(|line| (line.code.as_str(), line.minor)).collect()
}

/// Computed by hand (with a pocket calculator's decimals), two pieces of 250 mm³ and 600 mm², silver:
///
/// * mass: 250 · 10.4 = 2600 mg = 2.6 g
/// * metal per gram: 30 / 31.1034768 · 0.925 · 1.05 · 1.2 = 1.12415085… → 1.124151
/// * metal: 2.6 · 1.124151 · 2 = 5.8455852 → 5.85
/// * casting: (4.50 + 2.6 · 1.09 · 0.35) · 2 = (4.50 + 0.9919) · 2 = 10.9838 → 10.98
/// * labour: 0.75 · 38 · 2 = 57.00
/// * finish: 6 cm² · 1.20 · 2 = 14.40
/// * setup: 12.00; cost = 100.23
/// * margin: 100.23 · 0.35 / 0.65 = 53.97 (53.97000…)
/// * before tax 154.20; tax 21 % = 32.382 → 32.38; price 186.58
#[test]
fn a_price_by_hand() {
    let quote = price(&measures(250.0, 600.0), &item("silver-925", 2, "polished"), &PriceBook::builtin(), "ab").expect("price");
    let expected =
        [("metal", 585), ("casting", 1098), ("labour", 5700), ("finish", 1440), ("setup", 1200), ("margin", 5397), ("tax", 3238)];
    assert_eq!(lines(&quote), expected);
    assert_eq!((quote.price.minor, quote.price.currency.as_str()), (18658, "EUR"));
    assert_eq!((quote.price_book.as_str(), quote.metal_fix.as_str()), ("atelier-2026-01", "fix-2026-01-05"));
    assert_eq!((quote.model_sha256.as_str(), quote.algorithm.as_str()), ("ab", crate::ALGORITHM));
    assert_eq!(quote.lines[0].text, "Silver 925: 2.600 g per piece at 1.124151 per g, with 5 % loss and 20 % markup");
    assert_eq!(quote.lines[3].text, "Polished: 6.000 cm² per piece at 1.2 per cm²");
}

#[test]
fn a_small_order_is_lifted_to_the_minimum() {
    let text = include_str!("../../data/price-book.json").replace("\"38.00\"", "\"0\"").replace("\"12.00\"", "\"0\"");
    let book = PriceBook::from_json(text.as_bytes()).expect("book");
    let quote = price(&measures(1.0, 1.0), &item("silver-925", 1, "raw"), &book, "ab").expect("price");
    // metal 0.0117 → 0.01, casting 4.5 + 0.00397 → 4.50, margin 4.51 · 35/65 = 2.428 → 2.43, up to 45.00
    let expected = [
        ("metal", 1),
        ("casting", 450),
        ("labour", 0),
        ("finish", 0),
        ("setup", 0),
        ("margin", 243),
        ("minimum", 4500 - 694),
        ("tax", 945),
    ];
    assert_eq!(lines(&quote), expected);
    assert_eq!(quote.price.minor, 5445);
}

#[test]
fn quantity_counts_everything_but_the_setup() {
    let book = PriceBook::builtin();
    let of = |quantity| price(&measures(250.0, 600.0), &item("gold-750-white", quantity, "matte"), &book, "ab").expect("price");
    let (one, ten) = (of(1), of(10));
    for code in ["metal", "casting", "labour", "finish"] {
        let minor = |quote: &Quote| quote.lines.iter().find(|l| l.code == code).expect("line").minor;
        assert!((minor(&ten) - 10 * minor(&one)).abs() <= 5, "{code}: {} and {}", minor(&one), minor(&ten));
    }
    let setup = |quote: &Quote| quote.lines.iter().find(|l| l.code == "setup").expect("line").minor;
    assert_eq!((setup(&one), setup(&ten)), (1200, 1200));
}

#[test]
fn what_cannot_be_priced_is_named() {
    let book = PriceBook::builtin();
    let refused = |m: &Measures, i: &Item| price(m, i, &book, "ab").expect_err("must be refused");
    let fine = measures(250.0, 600.0);
    let material = refused(&fine, &item("unobtainium", 1, "raw"));
    assert_eq!(material.kind, Kind::UnknownMaterial);
    assert!(material.detail.contains("\"unobtainium\"") && material.detail.contains("silver-925"), "{material}");
    assert!(!material.kind.retryable());
    assert_eq!(refused(&fine, &item("silver-925", 1, "glazed")).kind, Kind::UnknownFinish);
    assert_eq!(refused(&fine, &item("silver-925", 0, "raw")).kind, Kind::Internal);
    // Faces that are there thousands of times add up to more than the box holds.
    let cases = [
        (f64::NAN, Kind::Internal),
        (-1.0, Kind::Internal),
        (f64::INFINITY, Kind::Internal),
        (2e12, Kind::TooLarge),
        (1e300, Kind::TooLarge),
    ];
    for (wrong, kind) in cases {
        assert_eq!(refused(&measures(wrong, 1.0), &item("silver-925", 1, "raw")).kind, kind);
        assert_eq!(refused(&measures(1.0, wrong), &item("silver-925", 1, "raw")).kind, kind);
    }
    assert!(!Kind::TooLarge.retryable());
    let mountain = refused(&measures(1e9, 6e6), &item("platinum-950", i32::MAX, "polished"));
    assert_eq!(mountain.kind, Kind::TooLarge);
}

#[test]
fn halves_are_rounded_away_from_zero() {
    for (n, d, expected) in
        [(5, 2, 3), (-5, 2, -3), (4, 3, 1), (5, 3, 2), (-4, 3, -1), (0, 7, 0), (1, 2, 1), (49, 100, 0), (i128::MAX, 1, i128::MAX)]
    {
        assert_eq!(round_div(n, d), expected, "{n}/{d}");
    }
    assert_eq!(round_div(i128::MAX, i128::MAX), 1);
    assert_eq!(product([i128::MAX, 2]), None);
}

#[test]
fn decimals_are_plain() {
    for (text, micros) in [("0", 0), ("12", 12_000_000), ("12.5", 12_500_000), ("0.000001", 1), ("007.10", 7_100_000)] {
        assert_eq!(Micro::parse(text), Some(Micro(micros)), "{text}");
    }
    for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "0.0000001", "1.2.3", "99999999999999", "NaN"] {
        assert_eq!(Micro::parse(text), None, "{text:?}");
    }
    assert_eq!(Micro(12_500_000).to_string(), "12.5");
    assert_eq!(Micro(7_000_001).to_string(), "7.000001");
}

#[test]
fn wrong_books_are_refused_by_field() {
    let text = include_str!("../../data/price-book.json");
    for (from, to, field) in [
        ("\"atelier-2026-01\"", "\" \"", "id"),
        ("\"EUR\"", "\"euro\"", "currency"),
        ("\"EUR\"", "\"JPY\"", "currency"),
        ("\"minor_digits\": 2", "\"minor_digits\": 3", "minor_digits"),
        ("\"minor_digits\": 2", "\"minor_digits\": 0", "minor_digits"),
        ("\"30.00\"", "\"30,00\"", "metal_fix.spot_per_troy_ounce.silver"),
        ("\"12.61\"", "\"126.1\"", "alloys[2].density_g_per_cm3"),
        ("\"fineness\": \"0.75\"}", "\"fineness\": \"750\"}", "alloys[4].fineness"),
        ("\"gold-585-white\"", "\"gold-585-yellow\"", "alloys[2].material"),
        ("\"metal\": \"platinum\"", "\"metal\": \"palladium\"", "alloys[7].metal"),
        ("\"silver\": \"30.00\"", "\"silver\": \"30.00\", \"tin\": \"1\"", "metal_fix.spot_per_troy_ounce"),
        ("\"loss_percent\": \"5\"", "\"loss_percent\": \"-5\"", "metal.loss_percent"),
        ("\"loss_percent\": \"5\"", "\"loss_percent\": \"5.00001\"", "metal.loss_percent"),
        ("\"margin_percent\": \"35\"", "\"margin_percent\": \"100\"", "margin_percent"),
        ("\"finish\": \"matte\"", "\"finish\": \"raw\"", "finishes[2].finish"),
        ("\"tax_percent\": \"21\"", "\"tax_percent\": \"\"", "tax_percent"),
    ] {
        assert!(text.contains(from), "{from}");
        match PriceBook::from_json(text.replacen(from, to, 1).as_bytes()) {
            Err(Error::Field { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    for (from, to, named) in [
        ("\"setup_fee\"", "\"setup\"", "unknown field `setup`"),
        ("\"setup_fee\": \"12.00\",", "", "missing field `setup_fee`"),
        ("\"12.00\"", "12.00", "expected a string"),
    ] {
        let error = PriceBook::from_json(text.replacen(from, to, 1).as_bytes()).expect_err("must be refused").to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn a_book_comes_from_a_file() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("book.json");
    let missing = PriceBook::load(&path).expect_err("missing").to_string();
    assert!(missing.contains("book.json"), "{missing}");
    std::fs::write(&path, include_bytes!("../../data/price-book.json")).expect("file");
    assert_eq!(PriceBook::load(&path).expect("book"), PriceBook::builtin());
}

proptest! {
    #[test]
    fn lines_sum_to_the_price_and_it_can_be_computed_again(volume in 0.001..1e6_f64, area in 0.01..1e6_f64, quantity in 1..10_000_i32, metal in 0_usize..8, finish in 0_usize..3) {
        let book = PriceBook::builtin();
        let material = book.alloys.keys().nth(metal).expect("material").clone();
        let item = Item { material, quantity, finish: book.finishes.keys().nth(finish).expect("finish").clone() };
        let quote = price(&measures(volume, area), &item, &book, "ab").expect("price");
        prop_assert_eq!(quote.lines.iter().map(|l| l.minor).sum::<i64>(), quote.price.minor);
        prop_assert!(quote.lines.iter().all(|l| l.minor >= 0) && quote.price.minor >= 4500);
        prop_assert_eq!(&price(&quote.measures, &item, &book, "ab").expect("again"), &quote);
        let more = Item { quantity: quantity + 1, ..item };
        prop_assert!(price(&measures(volume, area), &more, &book, "ab").expect("price").price.minor >= quote.price.minor);
    }
}
