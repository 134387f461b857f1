//! Pages of a list and their cursors.
//!
//! A cursor holds the sort key of the last item given out, so a page costs the same at any depth, and
//! rows that come and go in between neither double nor hide others. To the caller it is opaque text.

use atelier_store::Value;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;

/// Items given out at once unless asked for fewer.
const DEFAULT_LIMIT: u32 = 50;
/// Items given out at once at most; a larger wish is cut to this.
const MAX_LIMIT: u32 = 200;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// Give it back as `cursor` for the next part; `None` at the end.
    pub next: Option<String>,
}

/// Where the last page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) rank: i64,
    pub(crate) id: Uuid,
}

impl Cursor {
    /// `list` keeps the cursor of one list from being used on another.
    pub(crate) fn encode(self, list: char) -> String {
        format!("{list}{:016x}{}", self.rank.cast_unsigned(), self.id.simple())
    }

    pub(crate) fn decode(text: &str, list: char) -> Result<Self, Error> {
        let rest = text.strip_prefix(list).filter(|rest| rest.len() == 48 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let rest = rest.ok_or(Error::BadCursor)?;
        let rank = u64::from_str_radix(&rest[..16], 16).map_err(|_| Error::BadCursor)?;
        let id = Uuid::parse_str(&rest[16..]).map_err(|_| Error::BadCursor)?;
        Ok(Self { rank: rank.cast_signed(), id })
    }
}

/// What was asked for, within the limits.
pub(crate) fn limit(asked: Option<u32>) -> usize {
    asked.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize
}

/// Rows to read for a page: the one too many tells whether there is a next page.
pub(crate) fn one_more(limit: usize) -> Value {
    Value::from(i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1)
}

/// Makes a page of rows that were read with one more than the limit.
pub(crate) fn page<R, T>(mut rows: Vec<R>, limit: usize, list: char, key: impl Fn(&R) -> Cursor, view: impl Fn(R) -> T) -> Page<T> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().map(|row| key(row).encode(list)) } else { None };
    Page { items: rows.into_iter().map(view).collect(), next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_and_only_to_its_list() {
        let cursor = Cursor { rank: -5, id: Uuid::from_u128(7) };
        let text = cursor.encode('q');
        assert_eq!(Cursor::decode(&text, 'q').unwrap(), cursor);
        for bad in [text.replacen('q', "c", 1), text[..20].to_owned(), String::new(), format!("{text}0"), "q".repeat(49), "qé".repeat(16)]
        {
            assert!(matches!(Cursor::decode(&bad, 'q'), Err(Error::BadCursor)), "{bad}");
        }
    }

    #[test]
    fn limits_hold() {
        assert_eq!((limit(None), limit(Some(0)), limit(Some(7)), limit(Some(100_000))), (50, 1, 7, 200));
    }
}
