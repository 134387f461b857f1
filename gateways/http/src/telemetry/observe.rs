//! The layer around every request: a span, the metrics, one log line.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::X_CONTENT_TYPE_OPTIONS;
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use tracing::field::{Empty, display};
use uuid::Uuid;

use crate::app::Gateway;

/// What a request without a route is counted as: its own path could be anything.
const UNMATCHED: &str = "unmatched";

pub(crate) async fn observe(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str).to_owned();
    let method = method_name(request.method());
    let span = tracing::info_span!(
        "http",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        order.id = Empty,
    );
    if let Some(order_id) = order_in_path(&route, request.uri().path()) {
        span.record("order.id", display(order_id));
    }
    let begun = Instant::now();
    let in_flight = gateway.app.metrics.begin();
    let mut response = next.run(request).instrument(span.clone()).await;
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    drop(in_flight);
    let (status, seconds) = (response.status().as_u16(), begun.elapsed().as_secs_f64());
    span.record("http.response.status_code", status);
    gateway.app.metrics.answered(method, &route, status, seconds);
    span.in_scope(|| match status {
        500.. => tracing::warn!(status, seconds, "answered"),
        _ => tracing::debug!(status, seconds, "answered"),
    });
    response
}

/// Bounded: whoever invents methods does not invent label values.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The id where the template has `/orders/{id}`.
fn order_in_path(route: &str, path: &str) -> Option<Uuid> {
    let place = route.split('/').zip(route.split('/').skip(1)).position(|pair| pair == ("orders", "{id}"))? + 1;
    Uuid::try_parse(path.split('/').nth(place)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_found_in_the_path() {
        let id = "0190a7f0-0000-7000-8000-000000000001";
        assert_eq!(order_in_path("/shop/v1/orders/{id}/submit", &format!("/shop/v1/orders/{id}/submit")), Uuid::try_parse(id).ok());
        assert_eq!(order_in_path("/shop/v1/orders/{id}", "/shop/v1/orders/nonsense"), None);
        assert_eq!(order_in_path("/shop/v1/commands/{id}", &format!("/shop/v1/commands/{id}")), None);
    }
}
