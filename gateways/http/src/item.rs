//! What is ordered and for whom, as new orders say it.

use atelier_schemas::{Customer, Item};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::validate::Check;

/// The most pieces of one order.
const QUANTITY_MAX: i32 = 10_000;

/// Personal data.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCustomer {
    /// 1 to 200 characters.
    name: String,
    /// Where the order's news go.
    email: String,
}

/// What is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewItem {
    /// A material of the price book, for example `silver-925`.
    material: String,
    /// Pieces, 1 to 10000.
    #[schema(minimum = 1, maximum = 10000)]
    quantity: i32,
    /// `polished`, `matte` or `raw`.
    finish: String,
}

impl NewCustomer {
    pub(crate) fn check(&self, check: &mut Check) {
        check.text("customer.name", &self.name, 200);
        check.email("customer.email", &self.email);
    }
}

impl NewItem {
    pub(crate) fn check(&self, check: &mut Check) {
        check.slug("item.material", &self.material, "silver-925");
        check.range("item.quantity", self.quantity, 1, QUANTITY_MAX);
        check.slug("item.finish", &self.finish, "polished");
    }
}

impl From<NewCustomer> for Customer {
    fn from(customer: NewCustomer) -> Self {
        Self { name: customer.name, email: customer.email }
    }
}

impl From<NewItem> for Item {
    fn from(item: NewItem) -> Self {
        Self { material: item.material, quantity: item.quantity, finish: item.finish }
    }
}
