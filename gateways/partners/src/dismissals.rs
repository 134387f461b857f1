//! Carriers' messages whose parcels never turn up, let go by a person.
//!
//! A number that was mistyped is nobody's parcel, today and in a year. What was decided about the message stays on record,
//! one row each; it waits no longer, and the carrier that repeats it is still confirmed.

use atelier_store::{Columns, Row, Select, Transaction};

use crate::deliveries::{COLUMNS, LOCK, Waiting, read};
use crate::{Accounts, Error};

/// That a message was let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dismissal {
    /// When, milliseconds since 1970.
    pub at: i64,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Accounts {
    /// A message that waits or was dismissed; `None` when there is none, or its order has decided on it.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn delivery(&self, carrier: &str, message_id: &str) -> Result<Option<(Waiting, Option<Dismissal>)>, Error> {
        select(carrier, message_id).first(&self.store).await?.as_ref().map(dismissed).transpose()
    }

    /// Lets a message go, and what it was: it waits no longer. One that was let go before stays as it was decided then.
    /// `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn dismiss_delivery(
        &self,
        carrier: &str,
        message_id: &str,
        dismissal: Dismissal,
    ) -> Result<Option<(Waiting, Dismissal)>, Error> {
        let mut transaction = self.store.begin().await?;
        transaction.lock(LOCK).await?;
        match found(&mut transaction, carrier, message_id).await? {
            None => Ok(None),
            Some((message, Some(before))) => Ok(Some((message, before))),
            Some((message, None)) => {
                transaction
                    .execute(
                        "UPDATE carrier_messages SET dismissed_at = $1, dismissed_by = $2, dismissed_why = $3 \
                         WHERE carrier = $4 AND message_id = $5",
                        [
                            dismissal.at.into(),
                            dismissal.by.as_str().into(),
                            dismissal.reason.as_str().into(),
                            carrier.into(),
                            message_id.into(),
                        ],
                    )
                    .await?;
                transaction.commit().await?;
                Ok(Some((message, dismissal)))
            }
        }
    }
}

/// The message of this id, whether it waits or not.
pub(crate) async fn found(
    transaction: &mut Transaction,
    carrier: &str,
    message_id: &str,
) -> Result<Option<(Waiting, Option<Dismissal>)>, Error> {
    select(carrier, message_id).first_in(transaction).await?.as_ref().map(dismissed).transpose()
}

fn select(carrier: &str, message_id: &str) -> Select {
    Select::text("SELECT ")
        .push(COLUMNS, [])
        .push(", dismissed_at, dismissed_by, dismissed_why FROM carrier_messages WHERE ", [])
        .push("carrier = ? AND message_id = ?", [carrier.into(), message_id.into()])
}

fn dismissed(row: &Row) -> Result<(Waiting, Option<Dismissal>), Error> {
    let mut columns = Columns::of(row);
    let message = read(&mut columns)?;
    let dismissal = match (columns.optional_int()?, columns.optional_text()?, columns.optional_text()?) {
        (Some(at), Some(by), Some(reason)) => Some(Dismissal { at, by, reason }),
        _ => None,
    };
    Ok((message, dismissal))
}
