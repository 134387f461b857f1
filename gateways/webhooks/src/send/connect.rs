//! Connecting: resolve, check every address, dial one that passed. Nothing else opens a connection here.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::stream::Stream;
use crate::guard::{Blocked, Guard};

/// A future that is passed around.
pub type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Addresses of a name tried at most.
const TRIED_MAX: usize = 4;

/// From a name to its addresses.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of `host`.
    fn resolve(&self, host: String) -> Doing<io::Result<Vec<IpAddr>>>;
}

/// From an address to a connection.
pub trait Dial: Send + Sync + 'static {
    /// Opens a TCP connection.
    fn dial(&self, address: SocketAddr) -> Doing<io::Result<TcpStream>>;
}

/// The machine's resolver and network.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Resolve for System {
    fn resolve(&self, host: String) -> Doing<io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), 0)).await?.map(|address| address.ip()).collect()) })
    }
}

impl Dial for System {
    fn dial(&self, address: SocketAddr) -> Doing<io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(address))
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    #[error("the address {0}")]
    Blocked(#[from] Blocked),
    #[error("the name cannot be resolved")]
    Unknown,
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    #[error("no connection within {} s", .0.as_secs_f32())]
    Late(Duration),
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
}

/// What the HTTP client connects with.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) guard: Guard,
    pub(super) resolve: Arc<dyn Resolve>,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) tls: TlsConnector,
    /// From the resolver to the end of the handshake. The client goes on connecting for those that come later when
    /// another connection is free first, so that it is nobody's time but this.
    pub(super) limit: Duration,
}

impl Connector {
    /// The addresses of a host that may all be called.
    pub(super) async fn addresses(&self, host: &str, port: u16, tls: bool) -> Result<Vec<SocketAddr>, Unreachable> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = match bare.parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => self.resolve.resolve(bare.to_owned()).await.map_err(|_| Unreachable::Unknown)?,
        };
        if found.is_empty() {
            return Err(Unreachable::Unknown);
        }
        Ok(self.guard.addresses(&found, port, tls)?)
    }

    async fn connect(self, uri: Uri) -> Result<Stream, Unreachable> {
        let tls = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or(Unreachable::Unknown)?;
        let addresses = self.addresses(host, uri.port_u16().unwrap_or(if tls { 443 } else { 80 }), tls).await?;
        let mut last = io::ErrorKind::AddrNotAvailable;
        for address in addresses.into_iter().take(TRIED_MAX) {
            match self.dial.dial(address).await {
                Ok(stream) => return self.dress(stream, host, tls).await,
                Err(error) => last = error.kind(),
            }
        }
        Err(Unreachable::Connect(last))
    }

    async fn dress(&self, stream: TcpStream, host: &str, tls: bool) -> Result<Stream, Unreachable> {
        let _ = stream.set_nodelay(true);
        if !tls {
            return Ok(Stream::Plain(TokioIo::new(stream)));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|error| Unreachable::Tls(error.to_string()))?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| Unreachable::Tls(error.to_string()))?;
        Ok(Stream::Tls(Box::new(TokioIo::new(stream))))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Unreachable;
    type Future = Doing<Result<Stream, Unreachable>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unreachable>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let limit = connector.limit;
            tokio::time::timeout(limit, connector.connect(uri)).await.unwrap_or(Err(Unreachable::Late(limit)))
        })
    }
}
