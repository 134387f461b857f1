//! Rate, errors and duration per route; what became of commands.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the duration buckets, in seconds. The objective is 0.3 s at the 99th percentile.
const DURATION_BUCKETS_S: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 0.5, 1.0, 2.5, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    /// The template, for example `/shop/v1/orders/{id}`.
    route: String,
    /// `2xx` and the like.
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    r#type: &'static str,
    result: &'static str,
}

/// The gateway's metrics. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    duration_s: Family<RouteLabels, Histogram>,
    in_flight: Gauge,
    commands: Family<CommandLabels, Counter>,
    waiting_deliveries: Gauge,
}

impl Metrics {
    /// Makes them known to the scrape.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration_s: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS_S)),
            in_flight: Gauge::default(),
            commands: Family::default(),
            waiting_deliveries: Gauge::default(),
        };
        registry.register("http_requests", "Requests answered, by route template and class of status", metrics.requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "From the request's head to the answer's head, by route template",
            metrics.duration_s.clone(),
        );
        registry.register("http_requests_in_flight", "Requests whose answer has not begun", metrics.in_flight.clone());
        registry.register(
            "http_commands",
            "Commands sent, by what became of them: accepted, refused, undecided (202), not_accepted (503), unconfirmed (503: nobody can say)",
            metrics.commands.clone(),
        );
        registry.register(
            "carrier_messages_waiting",
            "Deliveries of parcels that no order was shipped with, as of the last look at all of them",
            metrics.waiting_deliveries.clone(),
        );
        metrics
    }

    pub(crate) fn waiting_deliveries(&self, count: usize) {
        self.waiting_deliveries.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn command(&self, kind: &'static str, result: &'static str) {
        self.commands.get_or_create(&CommandLabels { r#type: kind, result }).inc();
    }

    /// One more request whose answer has not begun, until the guard is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16, seconds: f64) {
        let class = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&RequestLabels { method, route: route.to_owned(), status: class }).inc();
        self.duration_s.get_or_create(&RouteLabels { method, route: route.to_owned() }).observe(seconds);
    }
}

/// A request whose answer has not begun, also when its caller hangs up.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
