//! Everything that runs: servers, proxies, roles.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use atelier_cli::trials::{Child, Load, Prober};
use atelier_log::{Log, kafka};
use atelier_schemas::Topic;
use atelier_support::{Cluster, Ports, Postgres, free_port};
use tokio::runtime::Runtime;

use crate::proxy::{Proxy, Traps};
use crate::{Outcome, text};

const LOOK_AGAIN: Duration = Duration::from_millis(20);
const SECRET: &str = "a secret of at least twenty-four bytes";
/// Leases short enough that the work of a killed worker is taken up soon, and attempts enough for all that are killed. Jobs are given
/// more time to be taken: where they queue for longer than that, each asks for another one, and the queue grows.
const POLICY: &str = r#"{"version": "faults", "pricing_lease_ms": 3000, "pricing_accept_ms": 15000, "pricing_attempts": 100}"#;

/// The proxies in front of one node.
pub(crate) struct Gate {
    pub(crate) client: Proxy,
    peer: Proxy,
    controller: Proxy,
}

impl Gate {
    /// From everybody.
    pub(crate) fn cut_all(&self) {
        [&self.client, &self.peer, &self.controller].into_iter().for_each(Proxy::cut);
    }

    /// As if nothing had been.
    pub(crate) fn open(&self) {
        [&self.client, &self.peer, &self.controller].into_iter().for_each(Proxy::heal);
        self.client.delay(Duration::ZERO);
    }
}

/// See the module. What depends on others is dropped before them.
pub(crate) struct House {
    pub(crate) roles: Vec<Child>,
    prober: Prober,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) postgres: Postgres,
    pub(crate) cluster: Cluster,
    pub(crate) gates: Vec<Gate>,
    pub(crate) traps: Traps,
    url: String,
    settings: Vec<(&'static str, String)>,
    pub(crate) folder: PathBuf,
    /// See [`Options`](crate::Options).
    pub(crate) recover_within: Duration,
    pub(crate) runtime: Runtime,
}

impl House {
    /// Starts everything, with files in `folder`; returns when everything works.
    pub(crate) fn start(folder: &Path, recover_within: Duration) -> Outcome<Self> {
        let runtime = Runtime::new().map_err(text)?;
        let traps = Traps::default();
        let (real, seen) = ([(); 3].map(|()| Ports::free()), [(); 3].map(|()| Ports::free()));
        let mut gates = Vec::new();
        for (real, seen) in real.iter().zip(&seen) {
            let proxy = |from, to, traps| Proxy::start(runtime.handle(), from, to, traps);
            gates.push(Gate {
                client: proxy(seen.client, real.client, traps.clone())?,
                peer: proxy(seen.peer, real.peer, Traps::default())?,
                controller: proxy(seen.controller, real.controller, Traps::default())?,
            });
        }
        let cluster = Cluster::start(real, seen);
        let postgres = Postgres::start();
        let policy = folder.join("policy.json");
        std::fs::write(&policy, POLICY).map_err(text)?;
        let settings = vec![
            ("ATELIER_LOG", format!("kafka://{}", cluster.bootstrap())),
            ("ATELIER_STORE", postgres.create_database("faults")),
            ("ATELIER_DATA", folder.display().to_string()),
            ("ATELIER_POLICY", policy.display().to_string()),
            ("ATELIER_CARRIER_SECRET", SECRET.to_owned()),
        ];
        let log = Arc::new(connect(&cluster, recover_within)?);
        let [first, second] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        let (url, probed) = (format!("http://{first}"), format!("http://{second}"));
        let mut roles = Vec::new();
        for (name, args) in [
            ("engine-a", &["engine", "--instance", "a"][..]),
            ("engine-b", &["engine", "--instance", "b"]),
            ("projections-a", &["projections"]),
            ("projections-b", &["projections"]),
            ("pricing-a", &["pricing", "--slowdown-ms", "100"]),
            ("pricing-b", &["pricing", "--slowdown-ms", "100"]),
            ("gateway-a", &["gateway", "--listen", &first]),
            ("gateway-b", &["gateway", "--listen", &second]),
        ] {
            roles.push(role(name, folder, &settings, args)?);
        }
        let prober = Prober::new(probed, log.partitions(), format!("faults-{}", uuid::Uuid::new_v4().simple())).map_err(text)?;
        let mut house =
            Self { roles, prober, log, postgres, cluster, gates, traps, url, settings, folder: folder.to_owned(), recover_within, runtime };
        house.moves(Instant::now())?;
        Ok(house)
    }

    /// One more role, for a while.
    pub(crate) fn role(&self, name: &str, args: &[&str]) -> Outcome<Child> {
        role(name, &self.folder, &self.settings, args)
    }

    /// Runs a tool to its end.
    pub(crate) fn tool(&self, args: &[&str]) -> Outcome<Output> {
        command(&self.settings, &owned(args)).output().map_err(text)
    }

    pub(crate) fn load(&self, seed: u64, name: &str) -> Outcome<Load> {
        Load::start(command(&self.settings, &[]), &self.url, seed, &self.folder, name).map_err(text)
    }

    /// Waits until everything moves, and returns how long after `since` that was.
    pub(crate) fn moves(&mut self, since: Instant) -> Outcome<Duration> {
        self.runtime.block_on(self.prober.all_moves(since, self.recover_within))
    }

    /// What the probes were told since the last call.
    pub(crate) fn acknowledged(&mut self) -> Vec<serde_json::Value> {
        self.prober.take_acks().into_iter().map(|ack| serde_json::to_value(ack).expect("an acknowledgement is plain data")).collect()
    }

    /// Waits for so many further events of the load.
    pub(crate) fn after_events(&self, count: u64, load: &mut Load) -> Outcome<()> {
        let (started, target) = (Instant::now(), self.events()? + count);
        while self.events()? < target {
            load.must_run().map_err(text)?;
            if started.elapsed() > self.recover_within {
                return Err(format!("the load stands still at {} of {target} events", self.events()?));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Lets the load end; returns the file of its acknowledgements.
    pub(crate) fn finish(&self, load: Load) -> Outcome<PathBuf> {
        load.finish(self.recover_within * 2).map_err(text)
    }

    pub(crate) fn must_run(&mut self) -> Outcome<()> {
        self.roles.iter_mut().try_for_each(Child::must_run).map_err(text)
    }

    /// After something that was not recovered from: undoes every fault there may be and starts all roles anew.
    pub(crate) fn mend(&mut self) -> Outcome<()> {
        self.traps.clear();
        self.gates.iter().for_each(Gate::open);
        self.roles.iter_mut().try_for_each(Child::restart).map_err(text)?;
        self.moves(Instant::now()).map(drop)
    }

    /// Where the events end; a partition whose leader has just changed is asked again.
    fn events(&self) -> Outcome<u64> {
        let started = Instant::now();
        let end = |partition| loop {
            match self.log.end(Topic::Events, partition) {
                Ok(end) => return Ok(end),
                Err(atelier_log::Error::Unavailable(_)) if started.elapsed() < self.recover_within => std::thread::sleep(LOOK_AGAIN),
                Err(error) => return Err(text(error)),
            }
        };
        (0..self.log.partitions()).map(end).sum()
    }
}

fn connect(cluster: &Cluster, within: Duration) -> Outcome<kafka::Kafka> {
    let config = kafka::Config { brokers: cluster.bootstrap(), ..kafka::Config::default() };
    // Nodes answer before they know each other; with fewer than three of them the topics would get fewer replicas.
    let started = Instant::now();
    loop {
        let wanted = kafka::Config { replication: Some(3), ..config.clone() };
        match kafka::Kafka::connect(wanted) {
            Ok(log) => return Ok(log),
            Err(error) if started.elapsed() > within => return Err(error.to_string()),
            Err(_) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

/// The program under test, built beside this one.
pub(crate) fn program() -> PathBuf {
    let this = std::env::current_exe().expect("a program has a path");
    let beside = this.ancestors().skip(1).take(2).map(|folder| folder.join("atelier")).find(|program| program.is_file());
    beside.unwrap_or_else(|| panic!("atelier is missing beside {}: cargo build --release --workspace", this.display()))
}

/// The program with nothing in its environment that is not meant for it. It dies with the thread that starts it, and so with us.
pub(crate) fn command(settings: &[(&'static str, String)], args: &[String]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program()).args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ATELIER_")) {
        command.env_remove(name);
    }
    command.envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
    command
}

pub(crate) fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

fn role(name: &str, folder: &Path, settings: &[(&'static str, String)], args: &[&str]) -> Outcome<Child> {
    let (settings, args) = (settings.to_vec(), owned(args));
    Child::start(name, folder, move || command(&settings, &args)).map_err(text)
}
