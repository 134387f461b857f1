//! The values inside commands and events.

use atelier_domain as domain;
use atelier_schemas as wire;

pub(crate) fn item(item: domain::Item) -> wire::Item {
    wire::Item { material: item.material.into(), quantity: i32::try_from(item.quantity).unwrap_or(i32::MAX), finish: item.finish.into() }
}

pub(super) fn item_from(item: wire::Item) -> Option<domain::Item> {
    let quantity = u32::try_from(item.quantity).ok()?;
    Some(domain::Item { material: item.material.into(), quantity, finish: item.finish.into() })
}

pub(super) fn customer(customer: domain::Customer) -> wire::Customer {
    wire::Customer { name: customer.name, email: customer.email }
}

pub(super) fn customer_from(customer: wire::Customer) -> domain::Customer {
    domain::Customer { name: customer.name, email: customer.email }
}

pub(crate) fn model(model: domain::Model) -> wire::Model {
    wire::Model {
        sha256: model.sha256.to_string(),
        format: model.format.into(),
        size_bytes: i64::try_from(model.size_bytes).unwrap_or(i64::MAX),
    }
}

pub(super) fn model_from(model: wire::Model) -> Option<domain::Model> {
    let size_bytes = u64::try_from(model.size_bytes).ok()?;
    Some(domain::Model { sha256: model.sha256.parse().ok()?, format: model.format.into(), size_bytes })
}

pub(super) fn money(money: domain::Money) -> wire::Money {
    wire::Money { minor: money.minor, currency: money.currency.into() }
}

pub(super) fn money_from(money: wire::Money) -> domain::Money {
    domain::Money { minor: money.minor, currency: money.currency.into() }
}

pub(super) fn quote(quote: domain::Quote) -> wire::Quote {
    let measures = quote.measures;
    wire::Quote {
        price: money(quote.price),
        lines: quote.lines.into_iter().map(|line| wire::QuoteLine { code: line.code, text: line.text, minor: line.minor }).collect(),
        model_sha256: quote.model_sha256,
        algorithm: quote.algorithm,
        price_book: quote.price_book,
        metal_fix: quote.metal_fix,
        measures: wire::Measures {
            volume_mm3: measures.volume_mm3,
            area_mm2: measures.area_mm2,
            triangles: measures.triangles,
            watertight: measures.watertight,
            size_mm: measures.size_mm,
        },
        warnings: quote.warnings,
    }
}

pub(super) fn quote_from(quote: wire::Quote) -> domain::Quote {
    let measures = quote.measures;
    domain::Quote {
        price: money_from(quote.price),
        lines: quote.lines.into_iter().map(|line| domain::QuoteLine { code: line.code, text: line.text, minor: line.minor }).collect(),
        model_sha256: quote.model_sha256,
        algorithm: quote.algorithm,
        price_book: quote.price_book,
        metal_fix: quote.metal_fix,
        measures: domain::Measures {
            volume_mm3: measures.volume_mm3,
            area_mm2: measures.area_mm2,
            triangles: measures.triangles,
            watertight: measures.watertight,
            size_mm: measures.size_mm,
        },
        warnings: quote.warnings,
    }
}
