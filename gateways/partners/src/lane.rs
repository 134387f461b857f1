//! The lane in which partners' orders wait, and its switch.

use atelier_store::{Columns, Select};

use crate::{Accounts, Error};

/// The one lane there is.
const EXTERNAL: &str = "external";

/// Whether the lane takes orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intake {
    /// New orders come in, those inside go on.
    #[default]
    Open,
    /// None comes in, and those inside wait: nobody is given one to make.
    Paused,
    /// None comes in, those inside go on.
    Drain,
}

impl Intake {
    /// All of them.
    pub const ALL: [Intake; 3] = [Intake::Open, Intake::Paused, Intake::Drain];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Intake::Open => "open",
            Intake::Paused => "paused",
            Intake::Drain => "drain",
        }
    }
}

/// A name that is no position of the switch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no position of the switch: use open, paused or drain")]
pub struct UnknownIntake(pub String);

impl std::str::FromStr for Intake {
    type Err = UnknownIntake;
    fn from_str(text: &str) -> Result<Self, UnknownIntake> {
        Self::ALL.into_iter().find(|intake| intake.as_str() == text).ok_or_else(|| UnknownIntake(text.to_owned()))
    }
}

/// How the switch stands, and who turned it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// The position.
    pub intake: Intake,
    /// Turns so far; 0: nobody ever touched it.
    pub turn: i64,
    /// Why it was turned.
    pub reason: Option<String>,
    /// By whom.
    pub by: Option<String>,
    /// When, milliseconds since 1970.
    pub at: Option<i64>,
}

const LAST: &str = "SELECT intake, turn, reason, turned_by, turned_at FROM partner_lanes WHERE ";

impl Accounts {
    /// How the switch of the partners' lane stands; open when nobody ever touched it.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn lane(&self) -> Result<Lane, Error> {
        let found = last().first(&self.store).await?;
        found.map_or_else(|| Ok(Lane::default()), |row| read(&row))
    }

    /// Turns it. Every turn stays on record.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn turn_lane(&self, intake: Intake, reason: &str, by: &str, now_ms: i64) -> Result<Lane, Error> {
        let mut transaction = self.store.begin().await?;
        transaction.lock("partners' lane").await?;
        let before = last().first_in(&mut transaction).await?.map_or_else(|| Ok(Lane::default()), |row| read(&row))?;
        let turn = before.turn + 1;
        transaction
            .execute(
                "INSERT INTO partner_lanes (lane, turn, intake, reason, turned_by, turned_at) VALUES ($1, $2, $3, $4, $5, $6)",
                [EXTERNAL.into(), turn.into(), intake.as_str().into(), reason.into(), by.into(), now_ms.into()],
            )
            .await?;
        transaction.commit().await?;
        Ok(Lane { intake, turn, reason: Some(reason.to_owned()), by: Some(by.to_owned()), at: Some(now_ms) })
    }
}

fn last() -> Select {
    Select::text(LAST).push("lane = ? ORDER BY turn DESC LIMIT 1", [EXTERNAL.into()])
}

fn read(row: &atelier_store::Row) -> Result<Lane, Error> {
    let mut columns = Columns::of(row);
    let intake = columns.text()?.parse().map_err(|error: UnknownIntake| atelier_store::Error::Broken(error.to_string()))?;
    let turn = columns.int()?;
    Ok(Lane { intake, turn, reason: Some(columns.text()?), by: Some(columns.text()?), at: Some(columns.int()?) })
}
