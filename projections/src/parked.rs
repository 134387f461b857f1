//! What read models have set aside, as a list.

use atelier_store::{Columns, Select, Value};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::page::{Page, limit, one_more};
use crate::show::rfc3339;
use crate::{Error, Queries};

/// Marks the cursors of this list.
const LIST: &str = "s";
/// Between the parts of a cursor. A key may have one too; it comes last, and what is left after two of them is the key.
const PART: char = '\n';

/// An order a read model set aside because one of its records could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Parked {
    /// Which read model.
    pub model: String,
    /// The order id as text: the key of the record.
    pub order_id: String,
    /// Of the record, in the log.
    pub partition: u32,
    /// Of the record, in its partition.
    pub offset: u64,
    /// What was wrong with it.
    pub reason: String,
    /// Later records of the order that were passed over.
    pub skipped: i64,
    /// When the log took the record, RFC 3339.
    pub at: String,
}

/// Which of them. Nothing set: all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ParkedFilter {
    /// Set aside by this read model only.
    pub model: Option<String>,
    /// Of this order only.
    #[param(value_type = Option<String>, format = "uuid")]
    pub order: Option<Uuid>,
    /// 1 to 200, 50 when not given.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Where a page ended: a key may be any text, so it is not one of [`crate::page`].
struct Cursor {
    at: i64,
    key: String,
    model: String,
}

impl Cursor {
    fn encode(&self) -> String {
        let text = format!("{}{PART}{}{PART}{}", self.at, self.model, self.key);
        text.bytes().fold(LIST.to_owned(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    fn decode(text: &str) -> Result<Self, Error> {
        let hex = text.strip_prefix(LIST).filter(|hex| hex.is_ascii()).ok_or(Error::BadCursor)?;
        let bytes: Result<Vec<u8>, _> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2).unwrap_or("?"), 16)).collect();
        let text = String::from_utf8(bytes.map_err(|_| Error::BadCursor)?).map_err(|_| Error::BadCursor)?;
        let mut parts = text.splitn(3, PART);
        let mut part = || parts.next().ok_or(Error::BadCursor);
        let (at, model, key) = (part()?, part()?, part()?);
        Ok(Self { at: at.parse().map_err(|_| Error::BadCursor)?, key: key.to_owned(), model: model.to_owned() })
    }
}

impl Queries {
    /// Orders set aside, latest first; once per read model that has set them aside.
    ///
    /// # Errors
    /// [`Error::BadCursor`], [`Error::Unavailable`].
    pub async fn parked(&self, filter: &ParkedFilter) -> Result<Page<Parked>, Error> {
        const ASK: &str = "SELECT parked_at, record_key, model, log_partition, log_offset, reason, skipped FROM parked WHERE 1 = 1";
        let limit = limit(filter.limit);
        let mut select = Select::text(ASK)
            .when(" AND model = ?", filter.model.as_deref().map(Value::from))
            .when(" AND record_key = ?", filter.order.map(|order| order.to_string().as_str().into()));
        if let Some(Cursor { at, key, model }) = filter.cursor.as_deref().map(Cursor::decode).transpose()? {
            let after = [at.into(), at.into(), key.as_str().into(), model.as_str().into()];
            select = select.push(" AND (parked_at < ? OR (parked_at = ? AND (record_key, model) > (?, ?)))", after);
        }
        let select = select.push(" ORDER BY parked_at DESC, record_key, model LIMIT ?", [one_more(limit)]);
        let mut found = Vec::new();
        for row in &select.all(self.store.db()).await? {
            let mut columns = Columns::of(row);
            let cursor = Cursor { at: columns.int()?, key: columns.text()?, model: columns.text()? };
            let parked = Parked {
                model: cursor.model.clone(),
                order_id: cursor.key.clone(),
                partition: u32::try_from(columns.int()?).unwrap_or(u32::MAX),
                offset: columns.int()?.cast_unsigned(),
                reason: columns.text()?,
                skipped: columns.int()?,
                at: rfc3339(cursor.at),
            };
            found.push((cursor, parked));
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(cursor, _)| cursor.encode());
        Ok(Page { items: found.into_iter().map(|(_, parked)| parked).collect(), next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_whatever_the_key() {
        for key in ["", "no order at all", "\u{43a}\u{43b}\u{44e}\u{447}", "a\nb"] {
            let cursor = Cursor { at: -5, key: key.into(), model: "shop".into() };
            let again = Cursor::decode(&cursor.encode()).unwrap();
            assert_eq!((again.at, again.key.as_str(), again.model.as_str()), (-5, key, "shop"));
        }
        for bad in ["", "s", "s1", "szz", "g00", "s0\u{e9}"] {
            assert!(matches!(Cursor::decode(bad), Err(Error::BadCursor)), "{bad}");
        }
    }
}
