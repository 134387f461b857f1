//! Limits and policies of the gateway, and what makes them impossible.

use std::net::SocketAddr;
use std::time::Duration;

use atelier_webhooks::Secret;

use crate::router::Surface;

/// What the composition root sets.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a command waits for its outcome before the answer is 202.
    pub decide_limit: Duration,
    /// How long `?wait_version=N` waits for that version.
    pub wait_version_limit: Duration,
    /// The largest model.
    pub upload_limit_bytes: u64,
    /// The largest JSON body.
    pub body_limit_bytes: usize,
    /// How long a JSON body may take to arrive, and a model to send its next bytes.
    pub body_idle_limit: Duration,
    /// Who is believed to be staff.
    pub staff: StaffPolicy,
    /// Shared with the carrier; without it no delivery is taken.
    pub carrier_secret: Option<Secret>,
    /// Live streams open at once; one more is told to come back.
    pub max_streams: usize,
    /// Readers of the event log at once; one more is told to come back.
    pub max_readers: usize,
    /// A read model that lacks records this old is a gap.
    pub behind_limit: Duration,
    /// A partner's message that is on its way for so long is a gap.
    pub undelivered_limit: Duration,
}

impl Default for Config {
    /// The limits of the contract, staff refused, no carrier.
    fn default() -> Self {
        Self {
            decide_limit: Duration::from_secs(5),
            wait_version_limit: Duration::from_secs(10),
            upload_limit_bytes: 64 * 1024 * 1024,
            body_limit_bytes: 64 * 1024,
            body_idle_limit: Duration::from_secs(30),
            staff: StaffPolicy::Closed,
            carrier_secret: None,
            max_streams: 1000,
            max_readers: 8,
            behind_limit: atelier_projections::BEHIND_AFTER,
            undelivered_limit: Duration::from_millis(atelier_webhooks::LATE_MS.unsigned_abs()),
        }
    }
}

/// Who is believed to be staff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StaffPolicy {
    /// `X-Staff: NAME;ROLE` is taken at its word, where `Host` names this machine. Only where nobody else can call.
    LoopbackTrust,
    /// Nobody is staff: for gateways that serve no staff surface.
    Closed,
}

impl StaffPolicy {
    /// The policy for staff surfaces listening on `listen`.
    ///
    /// # Errors
    /// [`Error::StaffWithoutLogin`] unless `listen` is a loopback address.
    ///
    /// # Examples
    /// ```
    /// use atelier_http::StaffPolicy;
    /// assert!(StaffPolicy::for_listen("127.0.0.1:8080".parse()?).is_ok());
    /// assert!(StaffPolicy::for_listen("0.0.0.0:8080".parse()?).is_err());
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn for_listen(listen: SocketAddr) -> Result<Self, Error> {
        if listen.ip().to_canonical().is_loopback() { Ok(Self::LoopbackTrust) } else { Err(Error::StaffWithoutLogin(listen)) }
    }

    /// The policy for these surfaces on `listen`: [`StaffPolicy::Closed`] when none of them is for staff.
    ///
    /// # Errors
    /// As [`StaffPolicy::for_listen`], when one of them is.
    pub fn for_surfaces(listen: SocketAddr, surfaces: &[Surface]) -> Result<Self, Error> {
        if surfaces.iter().any(|surface| surface.is_for_staff()) { Self::for_listen(listen) } else { Ok(Self::Closed) }
    }
}

/// A configuration that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Anybody who reaches the address could claim to be staff.
    #[error(
        "--listen {0} is reachable from other machines and no login is configured, so anybody could act as staff; \
         listen on 127.0.0.1 (or ::1), or serve only surfaces that need no staff (shop, partner, carrier)"
    )]
    StaffWithoutLogin(SocketAddr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staff_surfaces_need_a_loopback_address() {
        let everywhere: SocketAddr = "0.0.0.0:8080".parse().expect("an address");
        for local in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(StaffPolicy::for_listen(local.parse().expect("an address")), Ok(StaffPolicy::LoopbackTrust), "{local}");
        }
        for open in ["0.0.0.0:1", "10.1.2.3:1", "[::]:1"] {
            let error = StaffPolicy::for_listen(open.parse().expect("an address")).expect_err(open);
            assert!(error.to_string().contains("no login is configured"), "{error}");
        }
        let for_others: Vec<Surface> = Surface::ALL.into_iter().filter(|surface| !surface.is_for_staff()).collect();
        assert_eq!(StaffPolicy::for_surfaces(everywhere, &for_others), Ok(StaffPolicy::Closed));
        let names: Vec<&str> = for_others.iter().map(|surface| surface.as_str()).collect();
        let told = Error::StaffWithoutLogin(everywhere).to_string();
        assert!(told.contains(&format!("({})", names.join(", "))), "{names:?} in {told}");
        assert!(StaffPolicy::for_surfaces(everywhere, &[Surface::Shop, Surface::Mes]).is_err());
    }
}
