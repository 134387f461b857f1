//! Before every request of a partner: whose key it is, how often it asks, how much is under way.

use std::convert::Infallible;

use atelier_partners::{Caller, Kind, Place, Taken};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{BASE, account};
use crate::app::Gateway;
use crate::problem::{Code, Refusal};

/// What to do about a missing or unknown key.
const FIX: &str = "Send `Authorization: Bearer atl_…` with a live key; POST /partner/v1/keys or `atelier key create` makes one.";
/// A caller that is told to come back because too much of it is under way.
const AGAIN_S: u32 = 1;

/// Whose key the request came with. [`guard`] has put it there.
pub(crate) struct Partner(pub(crate) Caller);

impl FromRequestParts<Gateway> for Partner {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Refusal> {
        parts.extensions.get::<Caller>().cloned().map(Self).ok_or_else(|| unauthenticated("is missing"))
    }
}

/// Lets a request of a partner through, or refuses it before anything of its body is read. Requests of other
/// surfaces pass.
pub(crate) async fn guard(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Result<Response, Infallible> {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let Some(rest) = path.strip_prefix(BASE) else { return Ok(next.run(request).await) };
    let kind = kind(request.method(), rest);
    // Taken out of the request before anything is waited for.
    let key = key_of(request.headers());
    let entered = async {
        let caller = recognised(&gateway, &key?).await?;
        let taken = gateway.limiter.take(&account(&caller), kind, caller.class.rate(kind), (gateway.app.clock)());
        Ok::<_, Refusal>((caller, taken))
    };
    let (caller, taken) = match entered.await {
        Ok(entered) => entered,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let mut response = match place(&gateway, &caller, kind, taken) {
        Ok(place) => {
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            drop(place);
            response
        }
        Err(refusal) => refusal.into_response(),
    };
    response.headers_mut().extend(told(kind, taken));
    Ok(response)
}

fn kind(method: &Method, path: &str) -> Kind {
    match *method {
        Method::GET | Method::HEAD => Kind::Read,
        // It changes nothing.
        Method::POST if path == "/reconcile" => Kind::Read,
        Method::POST if path == "/uploads" => Kind::Upload,
        _ => Kind::Write,
    }
}

fn key_of(headers: &HeaderMap) -> Result<String, Refusal> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let first = given.next().ok_or_else(|| unauthenticated("is missing"))?;
    if given.next().is_some() {
        return Err(unauthenticated("is given twice"));
    }
    let text = first.to_str().map_err(|_| unauthenticated("is not plain text"))?;
    let (scheme, key) = text.split_once(' ').ok_or_else(|| unauthenticated("has no key"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unauthenticated("is not a bearer key"));
    }
    Ok(key.trim().to_owned())
}

async fn recognised(gateway: &Gateway, key: &str) -> Result<Caller, Refusal> {
    let caller = gateway.app.accounts.recognise(key, (gateway.app.clock)()).await.map_err(accounts_away)?;
    // One answer for a key that never was, one that is mistyped and one that was revoked.
    caller.ok_or_else(|| unauthenticated("is no live key"))
}

fn unauthenticated(message: &str) -> Refusal {
    Refusal::field(Code::Unauthenticated, "Authorization", message, FIX).challenge("Bearer")
}

/// The tables of partners did not answer.
pub(super) fn accounts_away(error: atelier_partners::Error) -> Refusal {
    tracing::error!(%error, "the partners' accounts did not answer");
    Refusal::new(Code::Unavailable, "Partners' accounts cannot be looked up. Nothing was accepted; ask again in a moment.").retry_after_s(2)
}

fn place(gateway: &Gateway, caller: &Caller, kind: Kind, taken: Taken) -> Result<Place, Refusal> {
    if !taken.allowed {
        let text = format!(
            "This partner may send {} {} requests at once and as many again within {} s; it has none left. Come back in {} s.",
            taken.rate.burst,
            kind.as_str(),
            taken.rate.window_s,
            taken.next_s
        );
        return Err(Refusal::new(Code::RateLimited, text).retry_after_s(taken.next_s));
    }
    let limit = caller.class.concurrency();
    gateway.places.take(&account(caller), limit).ok_or_else(|| {
        let text = format!("{limit} requests of this partner are under way already, which is its limit. Send fewer at a time.");
        Refusal::new(Code::RateLimited, text).retry_after_s(AGAIN_S)
    })
}

/// `RateLimit-Policy` and `RateLimit`, as the IETF's draft has them.
fn told(kind: Kind, taken: Taken) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let policy = format!("\"{}\";q={};w={}", kind.as_str(), taken.rate.burst, taken.rate.window_s);
    let left = format!("\"{}\";r={};t={}", kind.as_str(), taken.remaining, taken.next_s);
    [("ratelimit-policy", policy), ("ratelimit", left)]
        .into_iter()
        .filter_map(|(name, text)| Some((HeaderName::from_static(name), HeaderValue::from_str(&text).ok()?)))
}
