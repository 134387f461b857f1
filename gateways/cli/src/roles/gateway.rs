//! `atelier gateway`: serves HTTP.

use std::process::ExitCode;

use atelier_http::{Config, Surface};
use atelier_log::client::Client;

use super::serving::{Parts, serve};
use crate::Failure;
use crate::cli::GatewayArgs;
use crate::settings::Settings;
use crate::wiring::{self, Access};

/// Serves until told to stop.
pub(crate) async fn gateway(settings: &Settings, args: &GatewayArgs) -> Result<ExitCode, Failure> {
    let stop = crate::stop::on_signal()?;
    let surfaces = if args.surfaces.is_empty() { &Surface::ALL[..] } else { &args.surfaces };
    let log = wiring::log(settings, Access::Full).await?;
    let parts = Parts {
        client: Client::start(log.clone())?,
        store: wiring::store(settings).await?,
        accounts: wiring::accounts(settings).await?,
        webhooks: wiring::endpoints(settings, wiring::webhooks_store(settings).await?, Some(log))?,
        blobs: wiring::blobs(settings)?,
        registry: wiring::registry(),
    };
    let serving = serve(settings, args.listen, surfaces, parts, Config::default(), stop.clone()).await?;
    println!("http://{}", serving.address);
    stop.cancelled().await;
    serving.join().await?;
    Ok(ExitCode::SUCCESS)
}
