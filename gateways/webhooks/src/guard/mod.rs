//! Keeps messages out of our own network.
//!
//! A partner names the address that we call, so it may name one of ours: the database, the cloud's
//! metadata, the router (server-side request forgery). Two checks: [`Guard::url`] on the text, and
//! [`Guard::address`] on every address a name resolves to, inside the connector, right before it is
//! dialled. The second is the one that counts: what a name resolved to when it was saved says nothing
//! about what it resolves to now.

mod ranges;

use std::net::{IpAddr, SocketAddr};

/// A network, as `127.0.0.0/8`.
pub use ipnet::IpNet as Net;
use url::{Host, Url};

/// The longest URL taken, in bytes.
const URL_MAX: usize = 2048;

/// What may be called.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow: Vec<Net>,
}

/// Why an address is not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// The text is no URL that messages can go to.
    #[error("{0}")]
    Url(&'static str),
    /// It leads to an address that is not public.
    #[error("leads to an address that is not public ({0})")]
    Range(&'static str),
    /// Without TLS everybody on the way can read and change a message.
    #[error("is not https")]
    Plain,
}

impl Guard {
    /// Public addresses only, and those of `allow`.
    pub fn new(allow: Vec<Net>) -> Self {
        Self { allow }
    }

    /// Reads a URL as browsers do, so that `0x7f.1`, `2130706433` and `127。0。0。1` show what they are.
    ///
    /// # Errors
    /// [`Blocked`]; a name is not resolved here.
    pub fn url(&self, text: &str) -> Result<Url, Blocked> {
        if text.len() > URL_MAX {
            return Err(Blocked::Url("is longer than 2,048 bytes"));
        }
        let url = Url::parse(text.trim()).map_err(|_| Blocked::Url("is not a URL"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Blocked::Plain);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Blocked::Url("holds a user name or a password"));
        }
        if url.fragment().is_some() {
            return Err(Blocked::Url("holds a fragment (#)"));
        }
        if url.port() == Some(0) {
            return Err(Blocked::Url("names port 0"));
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(Blocked::Url("has no host")),
        };
        match literal {
            Some(address) => self.address(address, url.scheme() == "https")?,
            // Plain text goes to addresses on the list only, and a list may hold something to resolve to.
            None if url.scheme() == "http" && self.allow.is_empty() => return Err(Blocked::Plain),
            None => {}
        }
        Ok(url)
    }

    /// Whether this address may be called, with TLS or without.
    ///
    /// # Errors
    /// [`Blocked::Range`], [`Blocked::Plain`].
    pub fn address(&self, address: IpAddr, tls: bool) -> Result<(), Blocked> {
        // An IPv4 address may come dressed as IPv6.
        let address = address.to_canonical();
        if self.allow.iter().any(|net| net.contains(&address)) {
            return Ok(());
        }
        if let Some(name) = ranges::special(address) {
            return Err(Blocked::Range(name));
        }
        if tls { Ok(()) } else { Err(Blocked::Plain) }
    }

    /// All addresses of a host, each checked: one that may not be called spoils them all, so that nobody
    /// gets at it by being tried again.
    ///
    /// # Errors
    /// As [`Guard::address`].
    pub fn addresses(&self, found: &[IpAddr], port: u16, tls: bool) -> Result<Vec<SocketAddr>, Blocked> {
        found.iter().map(|address| self.address(*address, tls).map(|()| SocketAddr::new(address.to_canonical(), port))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_private_address_is_seen_through() {
        let guard = Guard::default();
        for text in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://0x7f.1/",
            "https://127。0。0。1/",
            "https://⑫7.0.0.1/",
            "https://%31%32%37.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::]/",
            "https://0.0.0.0/",
            "https://0/",
            "https://169.254.169.254/latest/meta-data",
            "https://[fd00:ec2::254]/",
            "https://10.0.0.1/",
            "https://172.31.255.255/",
            "https://192.168.0.1/",
            "https://100.64.0.1/",
            "https://192.0.0.192/",
            "https://198.18.0.1/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[fe80::1]/",
            "https://[fc00::1]/",
            "https://[ff02::1]/",
            "https://[2001:db8::1]/",
            "https://[3fff::1]/",
            "https://[100::1]/",
            "https://[2002:7f00:1::]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[64:ff9b:1::1]/",
            "https://[5f00::1]/",
            "https://[::7f00:1]/",
            "https://[2001::1]/",
            "https://[fec0::1]/",
        ] {
            assert!(matches!(guard.url(text), Err(Blocked::Range(_))), "{text}: {:?}", guard.url(text));
        }
    }

    #[test]
    fn texts_that_are_no_target_are_refused() {
        let guard = Guard::default();
        for text in [
            "",
            "example.org",
            "ftp://example.org/",
            "file:///etc/passwd",
            "http://example.org/",
            "https://ann@example.org/",
            "https://ann:pw@example.org/",
            "https://example.org@127.0.0.1/",
            "https://example.org/#x",
            "https://example.org:0/",
            "https://example.org:99999/",
            "gopher://example.org/",
            "https://[::1",
            "javascript:alert(1)",
        ] {
            assert!(guard.url(text).is_err(), "{text}");
        }
        assert!(guard.url(&format!("https://example.org/{}", "x".repeat(URL_MAX))).is_err());
        assert_eq!(guard.url(" https://Example.org/hook?x=1 ").map(String::from), Ok("https://example.org/hook?x=1".into()));
        assert!(guard.url("https://1.1.1.1/").is_ok() && guard.url("https://[2606:4700::1111]:8443/").is_ok());
    }

    #[test]
    fn a_list_opens_what_is_on_it_and_nothing_else() {
        let guard = Guard::new(vec!["127.0.0.0/8".parse().expect("a network")]);
        for text in ["http://127.0.0.1:9/", "https://127.0.0.1/", "http://[::ffff:127.0.0.1]/", "http://localhost/"] {
            assert!(guard.url(text).is_ok(), "{text}: {:?}", guard.url(text));
        }
        assert_eq!(guard.url("http://10.0.0.1/").err(), Some(Blocked::Range("private")));
        assert_eq!(guard.url("http://1.1.1.1/").err(), Some(Blocked::Plain));
        assert_eq!(guard.address("::1".parse().expect("an address"), true), Err(Blocked::Range("not public")));
    }

    #[test]
    fn one_bad_address_spoils_them_all() {
        let guard = Guard::default();
        let found = ["93.184.216.34".parse().expect("an address"), "10.1.2.3".parse().expect("an address")];
        assert_eq!(guard.addresses(&found, 443, true), Err(Blocked::Range("private")));
        assert_eq!(guard.addresses(&found[..1], 443, true).map(|all| all.len()), Ok(1));
        assert_eq!(guard.addresses(&found[..1], 80, false), Err(Blocked::Plain));
    }
}
