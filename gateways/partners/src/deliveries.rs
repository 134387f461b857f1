//! Carriers' messages that came before anybody knew their parcels.
//!
//! A carrier may not be told "no such parcel" for good: the operator who types the number in may be slower than the
//! van. The message is kept here, on disk before it is confirmed, until an order turns up with the parcel. It is not
//! on the log, because the log is by order and nobody knows which one this is about; and not in a read model, because
//! those are made from the log.

use atelier_store::{Columns, Select};

use crate::dismissals::found;
use crate::{Accounts, Error};

/// Messages that wait at most. A carrier whose messages are not taken sends them again.
pub const WAITING_MAX: i64 = 10_000;

/// A delivery of a parcel nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Who delivered it.
    pub carrier: String,
    /// The carrier's id of its message.
    pub message_id: String,
    /// The carrier's number of the parcel.
    pub tracking: String,
    /// When it was handed over, milliseconds since 1970.
    pub delivered_at: i64,
    /// When the message came first.
    pub received_at: i64,
}

/// What came of a message that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It waits for its parcel, since now or before.
    Waits,
    /// An administrator has let it go. It stays on record, so the carrier may forget it.
    Dismissed,
    /// [`WAITING_MAX`] wait: it was not kept.
    Full,
    /// The carrier gave this id to another message, about another parcel or time: it was not kept.
    Other,
}

/// The place of a message in the order of their coming.
pub type Place = (i64, String, String);

impl Waiting {
    /// Where it stands among the others.
    pub fn place(&self) -> Place {
        (self.received_at, self.carrier.clone(), self.message_id.clone())
    }
}

/// Whoever writes takes this name first.
pub(crate) const LOCK: &str = "carriers' messages";
/// Columns of [`read`].
pub(crate) const COLUMNS: &str = "carrier, message_id, tracking, delivered_at, received_at";

impl Accounts {
    /// Keeps a message; one that is kept already stays as it came first. Only what stays here ([`Keeping::Waits`],
    /// [`Keeping::Dismissed`]) may be confirmed to the carrier, who forgets what is confirmed.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn keep_delivery(&self, message: &Waiting) -> Result<Keeping, Error> {
        self.keep(message, true).await
    }

    /// What would come of keeping it; nothing is kept.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn would_keep_delivery(&self, message: &Waiting) -> Result<Keeping, Error> {
        self.keep(message, false).await
    }

    async fn keep(&self, message: &Waiting, for_good: bool) -> Result<Keeping, Error> {
        let mut transaction = self.store.begin().await?;
        transaction.lock(LOCK).await?;
        if let Some((known, dismissal)) = found(&mut transaction, &message.carrier, &message.message_id).await? {
            let same = (&known.tracking, known.delivered_at) == (&message.tracking, message.delivered_at);
            return Ok(match dismissal {
                _ if !same => Keeping::Other,
                Some(_) => Keeping::Dismissed,
                None => Keeping::Waits,
            });
        }
        let count = Select::text("SELECT COUNT(*) FROM carrier_messages WHERE dismissed_at IS NULL").first_in(&mut transaction).await?;
        if count.map_or(Ok(0), |row| Columns::of(&row).int())? >= WAITING_MAX {
            return Ok(Keeping::Full);
        }
        if !for_good {
            return Ok(Keeping::Waits);
        }
        transaction
            .execute(
                "INSERT INTO carrier_messages (carrier, message_id, tracking, delivered_at, received_at) VALUES ($1, $2, $3, $4, $5)",
                [
                    message.carrier.as_str().into(),
                    message.message_id.as_str().into(),
                    message.tracking.as_str().into(),
                    message.delivered_at.into(),
                    message.received_at.into(),
                ],
            )
            .await?;
        transaction.commit().await?;
        Ok(Keeping::Waits)
    }

    /// Messages that wait, first come first, at most `limit`, after a place.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn waiting_deliveries(&self, after: Option<Place>, limit: u32) -> Result<Vec<Waiting>, Error> {
        let (at, carrier, id) = after.unwrap_or((i64::MIN, String::new(), String::new()));
        let select = Select::text("SELECT ")
            .push(COLUMNS, [])
            .push(" FROM carrier_messages WHERE dismissed_at IS NULL AND ", [])
            .push("(received_at, carrier, message_id) > (?, ?, ?)", [at.into(), carrier.as_str().into(), id.as_str().into()])
            .push(" ORDER BY received_at, carrier, message_id LIMIT ?", [i64::from(limit).into()]);
        select.all(&self.store).await?.iter().map(|row| read(&mut Columns::of(row))).collect()
    }

    /// Lets a message go, on which an order has decided. One that was dismissed meanwhile stays on record.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn forget_delivery(&self, carrier: &str, message_id: &str) -> Result<(), Error> {
        let mut transaction = self.store.begin().await?;
        transaction
            .execute(
                "DELETE FROM carrier_messages WHERE carrier = $1 AND message_id = $2 AND dismissed_at IS NULL",
                [carrier.into(), message_id.into()],
            )
            .await?;
        Ok(transaction.commit().await?)
    }
}

pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Waiting, Error> {
    Ok(Waiting {
        carrier: columns.text()?,
        message_id: columns.text()?,
        tracking: columns.text()?,
        delivered_at: columns.int()?,
        received_at: columns.int()?,
    })
}
