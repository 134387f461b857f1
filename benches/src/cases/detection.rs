//! How long after its deadline a stuck order is in the ledger, beside many orders that are on time: the engine's timer,
//! its transaction, the read model's.

use std::sync::Arc;
use std::time::Duration;

use atelier_domain::{Exception, Limit, Policy};
use atelier_log::Log;
use atelier_log::client::{Answer, Client};
use atelier_projections::{Found, GapFilter, Metrics, Model, Runner, Store};
use atelier_runtime::{Engine, EngineSettings};
use atelier_schemas::{Actor, Command, CommandData, Item, Topic};
use prometheus_client::registry::Registry;

use super::standing;
use crate::harness::{Outcome, Report, Row, Settings, Target, ensure};
use crate::life;

/// Orders that get stuck, one after the other.
const STUCK: u64 = 20;
/// How long they may stand.
const LIMIT_MS: i64 = 1000;
const MATERIAL: &str = "gold-999";
const LOOK_EVERY: Duration = Duration::from_millis(2);
const APART: Duration = Duration::from_millis(137);
const PATIENCE: Duration = Duration::from_secs(60);
const SALT: u64 = 29;

pub(super) fn run(_: &Settings, report: &mut Report) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let log = standing::log(folder.path())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut late: Vec<f64> = runtime.block_on(async {
        let store = Store::open(&format!("sqlite:{}", folder.path().join("read-models.sqlite").display())).await?;
        let dynamic: Arc<dyn Log> = log.clone();
        let runner = Runner::start(store.clone(), dynamic.clone(), &[Model::Gaps], Metrics::default());
        runner.caught_up(Topic::Events, &[(0, log.end(Topic::Events, 0)?)]).await;
        let short = Exception { channel: None, material: Some(MATERIAL.into()), limits: [(Limit::Draft, LIMIT_MS)].into() };
        let policy = Policy { exceptions: vec![short], ..Policy::default() };
        let settings = EngineSettings::new(folder.path().join("scratch"), policy);
        let engine =
            Engine::start(dynamic.clone(), &settings, standing::clock(), atelier_runtime::Metrics::register(&mut Registry::default()))?;
        let client = Client::start(dynamic)?;
        let mut late = Vec::new();
        for number in 0..STUCK {
            late.push(one(&client, &store, number).await?);
            tokio::time::sleep(APART).await;
        }
        engine.stop();
        engine.join()?;
        runner.drain().await;
        Outcome::Ok(late)
    })?;
    late.sort_unstable_by(f64::total_cmp);
    let what = format!(
        "a stuck order is in the ledger so long after its deadline, longest of {STUCK}, {}k open orders, embedded (median {:.0} ms)",
        standing::OPEN / 1000,
        late[late.len() / 2]
    );
    report.add(Row::figure(&what, late[late.len() - 1], "ms", Target::AtMost(1000.0)));
    Ok(())
}

/// Begins an order that nobody goes on with; how many milliseconds after its deadline it is found.
async fn one(client: &Client, store: &Store, number: u64) -> Outcome<f64> {
    let order = life::id(number, SALT);
    let data = CommandData::CreateOrder {
        channel: "shop".into(),
        client: "shop".into(),
        reference: None,
        customer: None,
        item: Item { material: MATERIAL.into(), quantity: 1, finish: "polished".into() },
    };
    let clock = standing::clock();
    let actor = Actor { role: "customer".into(), name: "shop".into() };
    let command = Command::new(life::id(number, SALT + 1), order, clock(), actor, data);
    let Answer::Decided(outcome) = client.send(&command, PATIENCE).await? else { return Err("the engine does not answer".into()) };
    let deadline = outcome.time + LIMIT_MS;
    let filter = GapFilter { order: Some(order), ..GapFilter::default() };
    let queries = store.queries();
    loop {
        let found = queries.gaps(&filter, "admin", &Found::default()).await?;
        let late = clock() - deadline;
        if !found.items.is_empty() {
            ensure(late >= 0, || format!("order {order} was found {late} ms before its deadline"))?;
            return Ok(late as f64);
        }
        ensure(late < PATIENCE.as_millis() as i64, || format!("order {order} is not in the ledger: {:?}", outcome.result))?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
