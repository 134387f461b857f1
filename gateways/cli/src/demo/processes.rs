//! The roles as processes of their own, each this very program with another subcommand.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Failure;
use crate::settings::{LogChoice, Settings, StoreChoice};

/// For the gateway to say its address.
const START: Duration = Duration::from_secs(60);
/// For a role to finish what it is at.
const DRAIN: Duration = Duration::from_secs(30);

/// Five roles, six processes.
pub(super) struct Processes {
    pub(super) url: String,
    children: Vec<(&'static str, Child)>,
}

impl Processes {
    /// Starts two engines, the projections, a pricing worker, one that sends webhooks and a gateway.
    pub(super) async fn start(settings: &Settings, listen: SocketAddr, carrier_secret: &str) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let listen = listen.to_string();
        let mut children = Vec::new();
        for (role, args) in [
            ("engine", vec!["engine", "--instance", "demo-a"]),
            ("engine", vec!["engine", "--instance", "demo-b"]),
            ("projections", vec!["projections"]),
            ("pricing", vec!["pricing"]),
            ("webhooks", vec!["webhooks"]),
            ("gateway", vec!["gateway", "--listen", &listen]),
        ] {
            let child = command(&program, settings, &args, carrier_secret)
                .stdout(if role == "gateway" { Stdio::piped() } else { Stdio::null() })
                .spawn()
                .map_err(|error| format!("cannot start {role}: {error}"))?;
            println!("{role:<12} pid {}", child.id().unwrap_or_default());
            children.push((role, child));
        }
        let gateway = children.last_mut().and_then(|(_, child)| child.stdout.take()).ok_or("the gateway has no output")?;
        let mut lines = BufReader::new(gateway).lines();
        let url = tokio::time::timeout(START, lines.next_line()).await.map_err(|_| "the gateway did not start in time")??;
        let url = url.ok_or("the gateway ended at once; see its messages above")?;
        Ok(Self { url, children })
    }

    /// Ends them in the order in which they feed each other.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        self.children.reverse();
        for (role, mut child) in self.children {
            if let Some(pid) = child.id() {
                // The only way to ask a process to end, short of a crate for one call.
                Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await?;
            }
            let asked = Instant::now();
            match tokio::time::timeout(DRAIN, child.wait()).await {
                Ok(status) => {
                    let status = status?;
                    if !status.success() {
                        return Err(format!("{role} ended with {status}").into());
                    }
                }
                Err(_) => {
                    child.kill().await?;
                    return Err(format!("{role} did not end within {} s", asked.elapsed().as_secs()).into());
                }
            }
        }
        Ok(())
    }
}

fn command(program: &Path, settings: &Settings, args: &[&str], carrier_secret: &str) -> Command {
    let mut command = Command::new(program);
    command.args(args).kill_on_drop(true).stdin(Stdio::null()).envs(environment(settings, carrier_secret));
    command
}

/// The settings of this process, for a role in a process of its own.
pub(crate) fn environment(settings: &Settings, carrier_secret: &str) -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("ATELIER_CARRIER_SECRET", carrier_secret.to_owned()),
        ("ATELIER_DATA", settings.data.display().to_string()),
        ("ATELIER_TOPIC_PREFIX", settings.topic_prefix.clone()),
        ("ATELIER_WEBHOOK_LATE_S", settings.webhook_late_s.to_string()),
        ("ATELIER_DECIDE_WITHIN_S", settings.decide_within_s.to_string()),
        ("ATELIER_PUBLIC_URL", settings.public_url.clone()),
    ];
    if let LogChoice::Kafka { brokers } = &settings.log {
        environment.push(("ATELIER_LOG", format!("kafka://{brokers}")));
    }
    if let StoreChoice::Postgres { url } = &settings.store {
        environment.push(("ATELIER_STORE", url.clone()));
    }
    let allowed: Vec<String> = settings.webhook_allow.iter().map(ToString::to_string).collect();
    let optional = [
        ("ATELIER_WEBHOOK_ALLOW", Some(allowed.join(",")).filter(|nets| !nets.is_empty())),
        ("ATELIER_WEBHOOK_CA", text(settings.webhook_ca.as_deref())),
        ("ATELIER_PARTITIONS", settings.partitions.map(|count| count.to_string())),
        ("ATELIER_KAFKA_PROPERTIES", text(settings.kafka_properties.as_deref())),
        ("ATELIER_POLICY", text(settings.policy.as_deref())),
        ("ATELIER_PRICE_BOOK", text(settings.price_book.as_deref())),
        ("ATELIER_OTLP", settings.otlp.clone()),
    ];
    environment.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    environment
}

fn text(path: Option<&Path>) -> Option<String> {
    path.map(|path| path.display().to_string())
}
