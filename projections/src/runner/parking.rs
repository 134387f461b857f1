//! Orders set aside.

use std::collections::HashMap;

use atelier_log::Partition;
use atelier_store::{Columns, Conflict, Select, Store, Table, Transaction, Value};

use super::source::Decoded;
use crate::{Error, Model};

/// `record_key` first: it is what the table is looked up by.
pub(super) static PARKED: Table =
    Table::new("parked", &["record_key", "model", "log_partition", "log_offset", "reason", "parked_at", "skipped"], 2, Conflict::Keep);

/// A reason is cut to this many characters.
const REASON_LIMIT: usize = 500;

/// And a key, which may be anything where a record is not ours: an index takes only so much.
const KEY_LIMIT: usize = 200;

const PARK: &str = "INSERT INTO parked (record_key, model, log_partition, log_offset, reason, parked_at, skipped) \
    VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT (record_key, model) DO UPDATE SET skipped = parked.skipped + 1";
const SKIP: &str = "UPDATE parked SET skipped = skipped + $1 WHERE record_key = $2 AND model = $3";
const UNPARK: &str = "DELETE FROM parked WHERE record_key = $1 AND model = $2";

/// Notes why the record's order is set aside; one that already is counts another record.
pub(crate) async fn park<T>(transaction: &mut Transaction, model: Model, record: &Decoded<T>, reason: &str) -> Result<(), Error> {
    let key: String = record.key.chars().take(KEY_LIMIT).collect();
    let reason: String = reason.chars().take(REASON_LIMIT).collect();
    let values: [Value; 6] = [
        key.as_str().into(),
        model.as_str().into(),
        i64::from(record.partition).into(),
        record.offset.cast_signed().into(),
        reason.as_str().into(),
        record.time.into(),
    ];
    transaction.execute(PARK, values).await?;
    Ok(())
}

/// Counts records passed over.
pub(super) async fn skip(transaction: &mut Transaction, model: Model, key: &str, records: i64) -> Result<(), Error> {
    transaction.execute(SKIP, [records.into(), key.into(), model.as_str().into()]).await?;
    Ok(())
}

/// Whether the model has set any order aside; where it has none, nothing needs to be looked up.
pub(super) async fn any(transaction: &mut Transaction, model: Model) -> Result<bool, Error> {
    let select = Select::text("SELECT log_offset FROM parked WHERE ").push("model = ? LIMIT 1", [model.as_str().into()]);
    Ok(select.first_in(transaction).await?.is_some())
}

/// The orders the model has set aside, the first 10,000, and from which record on.
pub(super) async fn places(store: &Store, model: Model) -> Result<HashMap<String, (Partition, u64)>, Error> {
    let select = Select::text("SELECT record_key, log_partition, log_offset FROM parked WHERE ");
    let rows = select.push("model = ? ORDER BY parked_at, record_key LIMIT 10000", [model.as_str().into()]).all(store).await?;
    let places = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        let (key, partition, offset) = (columns.text()?, columns.int()?, columns.int()?);
        Ok((key, (u32::try_from(partition).unwrap_or_default(), offset.cast_unsigned())))
    });
    places.collect()
}

/// Takes an order's mark away.
pub(super) async fn unpark(transaction: &mut Transaction, model: Model, key: &str) -> Result<(), Error> {
    transaction.execute(UNPARK, [key.into(), model.as_str().into()]).await?;
    Ok(())
}
