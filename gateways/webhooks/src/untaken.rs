//! The messages that an endpoint wants and that nobody has taken up: they have no row.

use atelier_log::Partition;
use atelier_store::{Columns, Row, Select, Store, Transaction};
use uuid::Uuid;

use crate::Error;
use crate::wanting::Wanting;

/// Read at once.
const PAGE: i64 = 1000;

/// Goes through them page by page.
pub(crate) struct Untaken {
    endpoint: Wanting,
    after: Option<i64>,
}

/// One of them.
pub(crate) struct UntakenMessage {
    pub(crate) order_id: Uuid,
    pub(crate) sequence: i64,
    pub(crate) event_id: Uuid,
    pub(crate) event_at: i64,
}

impl Untaken {
    pub(crate) fn of(endpoint: Wanting) -> Self {
        Self { after: Some(endpoint.taken), endpoint }
    }

    /// The next ones; a page may have none. `None`: that was all.
    pub(crate) async fn page(&mut self, store: &Store) -> Result<Option<Vec<UntakenMessage>>, Error> {
        let Some(select) = self.select() else { return Ok(None) };
        let rows = select.all(store).await?;
        Ok(Some(self.read(&rows)?))
    }

    /// The same, as a transaction sees them.
    pub(crate) async fn page_in(&mut self, transaction: &mut Transaction) -> Result<Option<Vec<UntakenMessage>>, atelier_store::Error> {
        let Some(select) = self.select() else { return Ok(None) };
        let rows = select.all_in(transaction).await?;
        Ok(Some(self.read(&rows)?))
    }

    fn select(&self) -> Option<Select> {
        const COLUMNS: &str = "SELECT m.number, m.event_type, m.log_partition, m.log_offset, m.order_id, m.sequence, m.event_id, m.event_at \
            FROM webhook_messages m WHERE ";
        let Wanting { endpoint_id, partner, .. } = &self.endpoint;
        let select = Select::text(COLUMNS).push("m.partner = ? AND m.number > ?", [partner.as_str().into(), self.after?.into()]);
        let select = select.push(
            " AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = ? AND d.number = m.number)",
            [(*endpoint_id).into()],
        );
        Some(select.push(" ORDER BY m.number LIMIT ?", [PAGE.into()]))
    }

    fn read(&mut self, rows: &[Row]) -> Result<Vec<UntakenMessage>, atelier_store::Error> {
        self.after = None;
        let mut messages = Vec::new();
        for row in rows {
            let mut columns = Columns::of(row);
            let (number, event_type) = (columns.int()?, columns.text()?);
            let partition = Partition::try_from(columns.int()?).unwrap_or(Partition::MAX);
            let offset = columns.int()?.cast_unsigned();
            if rows.len() as i64 == PAGE {
                self.after = Some(number);
            }
            if self.endpoint.wishes.want(number, &event_type, partition, offset) {
                let (order_id, sequence, event_id) = (columns.id()?, columns.int()?, columns.id()?);
                messages.push(UntakenMessage { order_id, sequence, event_id, event_at: columns.int()? });
            }
        }
        Ok(messages)
    }
}
