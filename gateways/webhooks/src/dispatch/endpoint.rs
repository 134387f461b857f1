//! What an endpoint's row says, and keeping up with it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use atelier_store::{Columns, Row, Select, Transaction, Value};
use uuid::Uuid;

use super::{Dispatcher, FIRST, Finished};
use crate::decide::Circuit;
use crate::wanting::{LOOKED_UP, Wishes};
use crate::{Error, Secret};

/// Where messages go, and whether. Its partner, or somebody of the house, may change that at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) partner: String,
    pub(super) enabled: bool,
    pub(super) url: Arc<str>,
    pub(super) secrets: Arc<[Secret]>,
    pub(super) epoch: i64,
    pub(super) enabled_at: i64,
    pub(super) wishes: Wishes,
}

/// A row. The circuit and the last success are what the holder of the lease has written.
pub(super) struct Found {
    pub(super) endpoint_id: Uuid,
    pub(super) endpoint: Endpoint,
    pub(super) circuit: Circuit,
    pub(super) succeeded_at: i64,
    /// Its partner's messages up to this number have a row, or are not wanted.
    pub(super) taken: i64,
    /// Who has it, or had it until `ready_at`.
    pub(super) lease: Option<String>,
}

impl Found {
    /// The rows for which this holds.
    pub(super) fn select<const N: usize>(condition: &'static str, values: [Value; N]) -> Select {
        const COLUMNS: &str = "SELECT endpoint_id, partner, enabled, url, secret, old_secret, old_until, epoch, enabled_at, events, events_from, \
            wanted_before, failures, failing_since, open_until, opened, paused_until, last_success_at, taken, lease FROM webhook_endpoints WHERE ";
        Select::text(COLUMNS).push(condition, values)
    }

    pub(super) fn read(row: &Row, now: i64) -> Result<Self, Error> {
        let mut columns = Columns::of(row);
        let endpoint_id = columns.id()?;
        let (partner, enabled, url) = (columns.text()?, columns.flag()?, columns.text()?.into());
        let secrets = Secret::in_force(&mut columns, now)?.into();
        let (epoch, enabled_at) = (columns.int()?, columns.int()?);
        let endpoint = Endpoint { partner, enabled, url, secrets, epoch, enabled_at, wishes: Wishes::read(&mut columns)? };
        let circuit = Circuit {
            failures: columns.int()?,
            failing_since: columns.optional_int()?,
            open_until: columns.optional_int()?,
            opened: columns.int()?,
            paused_until: columns.optional_int()?,
        };
        let succeeded_at = columns.optional_int()?.unwrap_or(0);
        let taken = columns.int()?;
        Ok(Self { endpoint_id, endpoint, circuit, succeeded_at, taken, lease: columns.optional_text()? })
    }
}

impl Dispatcher {
    /// Reads the rows of the lanes that this turn is about, or of all. One whose endpoint is gone goes, too; one of
    /// another epoch begins anew, whatever failed there before.
    pub(super) async fn learn(&mut self, transaction: &mut Transaction, finished: &[Finished], all: bool, now: i64) -> Result<(), Error> {
        let settled: BTreeSet<Uuid> = finished.iter().map(|finished| finished.key.endpoint_id).collect();
        let most = self.window_max();
        let about = self.lanes.iter().filter(|(id, lane)| all || settled.contains(id) || lane.is_due(now, most));
        let about: Vec<Uuid> = about.map(|(id, _)| *id).collect();
        let mut found = HashMap::with_capacity(about.len());
        for ids in about.chunks(LOOKED_UP) {
            let ids = ids.iter().map(|id| (*id).into()).collect();
            for row in Found::select("1 = 1", []).any_of(" AND endpoint_id IN", ids).all_in(transaction).await? {
                let Found { endpoint_id, endpoint, lease, .. } = Found::read(&row, now)?;
                if lease.as_deref() == Some(self.token.as_str()) {
                    found.insert(endpoint_id, endpoint);
                }
            }
        }
        for endpoint_id in about {
            let Some(endpoint) = found.remove(&endpoint_id) else {
                self.lanes.remove(&endpoint_id);
                self.changed.insert(endpoint_id);
                continue;
            };
            if let Some(lane) = self.lanes.get_mut(&endpoint_id) {
                if endpoint.epoch != lane.endpoint.epoch {
                    (lane.circuit, lane.window) = (Circuit::default(), FIRST);
                }
                if endpoint != lane.endpoint {
                    self.changed.insert(endpoint_id);
                    lane.endpoint = endpoint;
                    lane.look_at = i64::MIN;
                }
            }
        }
        Ok(())
    }
}
