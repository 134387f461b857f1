//! `atelier up`: every role in one process, or all but some.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atelier_http::{Config, Secret, Surface};
use atelier_log::client::Client;
use atelier_log::{Log, Partition};
use atelier_pricing::WorkerHandle;
use atelier_projections::{Metrics, Model, Runner, RunnerHandle, Store};
use atelier_runtime::EngineHandle;
use atelier_schemas::Topic;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::serving::{Parts, Serving, serve};
use super::{engine, pricing, webhooks};
use crate::Failure;
use crate::cli::{LeftOut, PricingArgs, RoleArgs, UpArgs};
use crate::policy;
use crate::settings::Settings;
use crate::wiring::{self, Access};

/// How long the read models may take to show the last decisions when everything ends.
const CATCH_UP: Duration = Duration::from_secs(5);

/// All roles, running.
pub(crate) struct House {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) store: Store,
    pub(crate) url: String,
    engine: EngineHandle,
    runner: RunnerHandle,
    /// Unless it was left out.
    worker: Option<WorkerHandle>,
    /// Unless it was left out.
    webhooks: Option<atelier_webhooks::Handle>,
    serving: Serving,
    stop: CancellationToken,
}

type Ends = Vec<(Topic, Vec<(Partition, u64)>)>;

fn ends(log: &dyn Log) -> Result<Ends, atelier_log::Error> {
    let of = |topic| -> Result<Vec<(Partition, u64)>, atelier_log::Error> {
        (0..log.partitions()).map(|partition| Ok((partition, log.end(topic, partition)?))).collect()
    };
    Ok(vec![(Topic::Events, of(Topic::Events)?), (Topic::Outcomes, of(Topic::Outcomes)?)])
}

/// Runs everything until told to stop.
pub(crate) async fn up(settings: &Settings, args: &UpArgs) -> Result<ExitCode, Failure> {
    let stop = crate::stop::on_signal()?;
    let house = House::start(settings, args, None, stop.child_token()).await?;
    println!("{}", house.url);
    tokio::select! {
        () = stop.cancelled() => {}
        () = engine::ended(&house.engine) => {}
    }
    house.end().await?;
    Ok(ExitCode::SUCCESS)
}

impl House {
    /// Starts every role that was not left out; they are ready when this returns.
    pub(crate) async fn start(
        settings: &Settings,
        args: &UpArgs,
        carrier_secret: Option<Secret>,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        let log = wiring::log(settings, Access::Full).await?;
        let store = wiring::store(settings).await?;
        let accounts = wiring::accounts(settings).await?;
        let webhooks_store = wiring::webhooks_store(settings).await?;
        let endpoints = wiring::endpoints(settings, webhooks_store.clone(), Some(log.clone()))?;
        let blobs = wiring::blobs(settings)?;
        let registry: Arc<Mutex<Registry>> = wiring::registry();
        let client = Client::start(log.clone())?;
        let pricing_args = PricingArgs { role: RoleArgs { listen: None }, capacity: args.capacity, worker: None, slowdown_ms: 0 };
        let policy = policy::in_force(settings)?;
        let (engine, runner, worker, webhooks) = {
            let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
            (
                engine::start(settings, &policy, log.clone(), &mut registry)?,
                Runner::keeping(store.clone(), log.clone(), Model::ALL, Metrics::register(&mut registry), policy::keep(policy)),
                if args.without.contains(&LeftOut::Pricing) {
                    None
                } else {
                    Some(pricing::start(settings, client.clone(), blobs.clone(), &pricing_args, &mut registry)?)
                },
                if args.without.contains(&LeftOut::Webhooks) {
                    None
                } else {
                    Some(webhooks::start(settings, log.clone(), webhooks_store, &mut registry)?)
                },
            )
        };
        let parts = Parts { client, store: store.clone(), accounts, webhooks: endpoints, blobs, registry };
        let config = Config { carrier_secret, ..Config::default() };
        let serving = serve(settings, args.listen, &Surface::ALL, parts, config, stop.clone()).await?;
        let url = format!("http://{}", serving.address);
        Ok(Self { log, store, url, engine, runner, worker, webhooks, serving, stop })
    }

    /// Ends the roles in the order in which they feed each other: no more requests, no more jobs, no more
    /// decisions, and the read models see the last of them.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        self.stop.cancel();
        self.serving.join().await?;
        if let Some(worker) = self.worker {
            worker.drain().await;
        }
        self.engine.stop();
        let engine = self.engine;
        tokio::task::spawn_blocking(move || engine.join()).await??;
        // What was decided is shown, unless the store keeps us waiting.
        let log = self.log;
        let ends = tokio::task::spawn_blocking(move || ends(log.as_ref())).await?;
        for (topic, ends) in ends.unwrap_or_default() {
            let _ = tokio::time::timeout(CATCH_UP, self.runner.caught_up(topic, &ends)).await;
        }
        self.runner.drain().await;
        if let Some(webhooks) = self.webhooks {
            webhooks.drain().await;
        }
        Ok(())
    }
}
