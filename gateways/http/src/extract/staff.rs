//! Who of the staff asks.

use std::net::IpAddr;

use atelier_schemas::Actor;
use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;

use crate::app::Gateway;
use crate::config::StaffPolicy;
use crate::problem::{Code, Refusal};

/// The longest name, in characters.
const NAME_MAX_CHARS: usize = 64;
const FIX: &str = "Send `X-Staff: NAME;ROLE` with the role operator, seller or admin.";

/// An operator or an administrator.
pub(crate) struct Bench(pub(crate) Actor);

/// A seller or an administrator.
pub(crate) struct Sales(pub(crate) Actor);

/// Anyone of the staff.
pub(crate) struct AnyStaff(pub(crate) Actor);

impl FromRequestParts<Gateway> for Bench {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        with_role(parts, gateway, &["operator", "admin"]).map(Self)
    }
}

impl FromRequestParts<Gateway> for Sales {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        with_role(parts, gateway, &["seller", "admin"]).map(Self)
    }
}

/// An administrator.
pub(crate) struct Admin(pub(crate) Actor);

impl FromRequestParts<Gateway> for Admin {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        with_role(parts, gateway, &["admin"]).map(Self)
    }
}

impl FromRequestParts<Gateway> for AnyStaff {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Refusal> {
        with_role(parts, gateway, &["operator", "seller", "admin"]).map(Self)
    }
}

fn with_role(parts: &Parts, gateway: &Gateway, roles: &[&str]) -> Result<Actor, Refusal> {
    let actor = match gateway.app.config.staff {
        StaffPolicy::LoopbackTrust => {
            if !asks_this_machine(parts) {
                let fix = "Staff are believed on their own machine only: ask localhost, 127.0.0.1 or [::1], with any port.";
                return Err(Refusal::field(Code::Unauthenticated, "Host", "does not name this machine", fix).challenge("X-Staff"));
            }
            let mut given = parts.headers.get_all("x-staff").iter();
            let first = given.next().ok_or_else(|| unauthenticated("is missing"))?;
            if given.next().is_some() {
                return Err(unauthenticated("is given twice"));
            }
            staff(first.as_bytes())?
        }
        StaffPolicy::Closed => {
            return Err(Refusal::new(
                Code::Unauthenticated,
                "This gateway knows no staff: it serves no staff surface and has no login. Use the one inside the house.",
            )
            .challenge("X-Staff"));
        }
    };
    if roles.contains(&actor.role.as_str()) {
        return Ok(actor);
    }
    let wanted = roles.join(" or ");
    Err(Refusal::field(Code::Forbidden, "X-Staff", format!("names the role {}", actor.role), format!("This needs the role {wanted}.")))
}

/// Whether the request says that it is for this machine. A page from elsewhere may have its own name lead here and then
/// ask through the browser of somebody of the staff (DNS rebinding); what it asked for is still what the browser says.
fn asks_this_machine(parts: &Parts) -> bool {
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let mut hosts = parts.headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default()).chain(authority).peekable();
    hosts.peek().is_some() && hosts.all(is_loopback)
}

/// `localhost` or an address of loopback, with or without a port.
fn is_loopback(host: &str) -> bool {
    let port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = port.map_or(host, |(name, _)| name);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// `NAME;ROLE`.
fn staff(header: &[u8]) -> Result<Actor, Refusal> {
    let text = std::str::from_utf8(header).map_err(|_| unauthenticated("is not UTF-8"))?;
    let (name, role) = text.rsplit_once(';').ok_or_else(|| unauthenticated("has no `;` between name and role"))?;
    let (name, role) = (name.trim(), role.trim());
    if name.is_empty() || name.chars().count() > NAME_MAX_CHARS || name.chars().any(char::is_control) {
        return Err(unauthenticated("has no usable name (1 to 64 characters)"));
    }
    if !["operator", "seller", "admin"].contains(&role) {
        return Err(unauthenticated("names no role of ours"));
    }
    Ok(Actor { role: role.to_owned(), name: name.to_owned() })
}

fn unauthenticated(message: &str) -> Refusal {
    Refusal::field(Code::Unauthenticated, "X-Staff", message, FIX).challenge("X-Staff")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_few_names() {
        for host in
            ["localhost", "LocalHost:8080", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8080", "[::ffff:127.0.0.1]:80", "localhost:"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "::1",
            "evil.example",
            "localhost.evil.example:8080",
            "127.0.0.1.evil.example",
            "10.0.0.1:80",
            "[::]:80",
            "a@localhost",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn the_header_is_a_name_and_a_role() {
        let anna = staff("Анна; operator".as_bytes()).expect("a name and a role");
        assert_eq!((anna.name.as_str(), anna.role.as_str()), ("Анна", "operator"));
        for bad in ["anna", ";operator", "anna;king", "anna;", "", "a\tb\u{7};admin"] {
            assert_eq!(staff(bad.as_bytes()).expect_err(bad).problem().status, 401, "{bad}");
        }
        assert!(staff(&[0xff, b';', b'a']).is_err());
    }
}
