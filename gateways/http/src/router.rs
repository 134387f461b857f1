//! All surfaces in one router, with what every request gets: a span, metrics, and the one shape of
//! refusals also where no handler was reached.

use std::any::Any;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use prometheus_client::registry::Registry;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::app::{App, Gateway};
use crate::command::Pending;
use crate::problem::{Code, FieldError, Problem, Refusal};
use crate::telemetry::observe;
use crate::{carrier, crm, events, mes, ops, partner, shop};

/// A surface: who calls it and under which path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Surface {
    /// `/shop/v1`
    Shop,
    /// `/partner/v1`
    Partner,
    /// `/mes/v1`
    Mes,
    /// `/crm/v1`
    Crm,
    /// `/carrier/v1`
    Carrier,
    /// `/events/v1`
    Events,
}

impl Surface {
    /// All of them.
    pub const ALL: [Surface; 6] = [Surface::Shop, Surface::Partner, Surface::Mes, Surface::Crm, Surface::Carrier, Surface::Events];

    /// The name, as the command line has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Surface::Shop => "shop",
            Surface::Partner => "partner",
            Surface::Mes => "mes",
            Surface::Crm => "crm",
            Surface::Carrier => "carrier",
            Surface::Events => "events",
        }
    }

    /// Whether it can be used only by staff, and so needs to know who they are.
    pub const fn is_for_staff(self) -> bool {
        matches!(self, Surface::Mes | Surface::Crm | Surface::Events)
    }

    fn routes(self) -> OpenApiRouter<Gateway> {
        match self {
            Surface::Shop => shop::routes(),
            Surface::Partner => partner::routes(),
            Surface::Mes => mes::routes(),
            Surface::Crm => crm::routes(),
            Surface::Carrier => carrier::routes(),
            Surface::Events => events::routes(),
        }
    }
}

/// The router: these surfaces, and health, metrics and the document always.
pub fn router(app: App, surfaces: &[Surface], registry: Arc<Mutex<Registry>>) -> Router {
    let gateway = Gateway::new(app, registry);
    let (router, _) = gather(surfaces).split_for_parts();
    router
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(gateway.clone(), partner::guard::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(gateway.clone(), observe))
        .with_state(gateway)
}

/// The document of the whole API, every surface.
pub fn openapi() -> OpenApi {
    let (_, mut api) = gather(&Surface::ALL).split_for_parts();
    // What every address for staff can answer is said once, here.
    for (path, item) in &mut api.paths.paths {
        if !["/mes/v1/", "/crm/v1/", "/events/v1/"].iter().any(|base| path.starts_with(base)) {
            continue;
        }
        for operation in [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten() {
            for (status, text) in [("401", "`X-Staff` is missing or not understood"), ("403", "Not for this role")] {
                let schema = Ref::from_schema_name(Problem::name());
                let content = ContentBuilder::new().schema(Some(schema)).build();
                let response = ResponseBuilder::new().description(text).content("application/problem+json", content).build();
                operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
            }
        }
    }
    api
}

fn gather(surfaces: &[Surface]) -> OpenApiRouter<Gateway> {
    let mut surfaces = surfaces.to_vec();
    surfaces.sort_unstable();
    surfaces.dedup();
    let info = InfoBuilder::new()
        .title("Atelier")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The order lifecycle engine of a made-to-order jewellery maker. Refusals are `application/problem+json`; \
             an accepted command is durable before it is answered; a command that is durable and not decided in time is answered with 202.",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let mut components = Components::new();
    // Used by the answers that all commands share, which are not searched for schemas.
    components.schemas.insert(Pending::name().into_owned(), Pending::schema());
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    components.schemas.insert(FieldError::name().into_owned(), FieldError::schema());
    let header = |name: &str, text: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, text)));
    components.add_security_scheme(
        "staff",
        header("X-Staff", "`NAME;ROLE` with the role operator, seller or admin; taken at its word on a loopback address only"),
    );
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("atl_<key id>_<secret>").build();
    components.add_security_scheme("partner", SecurityScheme::Http(bearer));
    components.add_security_scheme("carrier", header("webhook-signature", "Signed as the Standard Webhooks specification has it"));
    let api = OpenApiBuilder::new().info(info).components(Some(components)).build();
    surfaces.into_iter().fold(OpenApiRouter::with_openapi(api).merge(ops::routes()), |all, surface| all.merge(surface.routes()))
}

/// The address is not told back: it may hold what somebody put there by mistake, a key among it.
async fn no_route() -> Refusal {
    let text = "There is nothing at this address. /openapi.json lists what there is; this process may not serve that surface.";
    Refusal::new(Code::UnknownRoute, text)
}

async fn wrong_method(method: Method) -> Refusal {
    let method: String = method.as_str().chars().take(20).collect();
    Refusal::new(Code::MethodNotAllowed, format!("This address does not take {method}. The `Allow` header says what it takes."))
}

/// A defect of ours costs one request; what it was is in the log, not in the answer.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let words =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words");
    tracing::error!(panic = words, "a handler panicked");
    Refusal::new(Code::Internal, "This request met a defect of ours, which is recorded. Whether it was accepted is not known; the same request under the same idempotency key is safe to send again.")
        .into_response()
}
