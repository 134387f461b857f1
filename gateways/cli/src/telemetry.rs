//! Log lines and traces.

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::Failure;
use crate::settings::{LogFormat, Settings};

/// What is never said unless `RUST_LOG` says otherwise. The exporter's own clients are never traced.
const QUIET: &str = "rdkafka=warn,librdkafka=warn,sqlx=warn,h2=off,hyper=off,reqwest=off,tower=off";

/// How much is said unless `RUST_LOG` says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// A role: what it does.
    Role,
    /// A tool, whose output is its answer: what went wrong.
    Tool,
}

/// Ends the export of traces when the process ends.
pub(crate) struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

/// Starts log lines on standard error and, where `--otlp` is given, traces.
///
/// # Errors
/// When the URL is none, or `RUST_LOG` cannot be read.
pub(crate) fn start(settings: &Settings, voice: Voice) -> Result<Telemetry, Failure> {
    let level = if voice == Voice::Role { "info" } else { "error" };
    let filter = wanted(std::env::var("RUST_LOG").ok().as_deref(), level)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match settings.log_format {
        LogFormat::Text => lines.with_target(false).with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).boxed(),
    };
    let traces = settings.otlp.as_deref().map(provider).transpose()?;
    let spans = traces.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("atelier")));
    tracing_subscriber::registry().with(filter).with(lines).with(spans).try_init()?;
    Ok(Telemetry { traces })
}

/// What is said: `asked` like `info,atelier_log=debug`, a level or levels by module, or else `level`.
fn wanted(asked: Option<&str>, level: &str) -> Result<Targets, Failure> {
    match asked.filter(|asked| !asked.trim().is_empty()) {
        Some(asked) => asked.parse().map_err(|error| format!("RUST_LOG={asked}: {error}; like info,atelier_log=debug").into()),
        None => Ok(format!("{level},{QUIET}").parse()?),
    }
}

fn provider(url: &str) -> Result<SdkTracerProvider, Failure> {
    let endpoint = format!("{}/v1/traces", url.trim_end_matches('/'));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint.clone())
        .build()
        // The error's own text repeats the URL, which may hold a password.
        .map_err(|error| format!("--otlp: {}; give a URL like http://127.0.0.1:4318", error.to_string().replace(&endpoint, "***")))?;
    let resource = Resource::builder().with_service_name("atelier").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

impl Telemetry {
    /// Sends what is left.
    pub(crate) fn end(self) {
        if let Some(traces) = self.traces
            && let Err(error) = traces.shutdown()
        {
            eprintln!("atelier: the last traces were not sent: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn what_is_said_is_what_was_asked_for() {
        let unasked = wanted(None, "info").unwrap();
        assert!(unasked.would_enable("atelier_log", &Level::INFO) && !unasked.would_enable("atelier_log", &Level::DEBUG));
        assert!(!unasked.would_enable("sqlx", &Level::INFO), "others are quiet");
        let asked = wanted(Some("warn,atelier_log=debug"), "info").unwrap();
        assert!(asked.would_enable("atelier_log", &Level::DEBUG) && !asked.would_enable("atelier_http", &Level::INFO));
        assert!(wanted(Some(" "), "error").unwrap().would_enable("atelier_log", &Level::ERROR));
        let refused = wanted(Some("info,atelier_log=loud"), "info").unwrap_err().to_string();
        assert!(refused.contains("RUST_LOG=info,atelier_log=loud") && refused.contains("like info,atelier_log=debug"), "{refused}");
    }

    #[test]
    fn a_url_for_traces_is_refused_without_its_password() {
        let refused = provider("http://u:hunter2@a host:4318").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("--otlp") && refused.contains("http://127.0.0.1:4318") && !refused.contains("hunter2"), "{refused}");
    }
}
