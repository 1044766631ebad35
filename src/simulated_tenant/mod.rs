//! An offline tenant that speaks Graph's HTTP, for `teamsheet demo` and the tests.
//!
//! ```text
//! World::generate ─► World ─► SimulatedTenant::start ─► http://127.0.0.1:{port}   requests(), script(), edit()
//!                      └────► truth(): what a perfect loader finds
//! ```
//!
//! It answers as Graph's documentation and public reports say Graph does, and builds its JSON from its own world: nothing of
//! `model` is used, because a shared type would hide a wrong name on both sides. Only `cli` and tests name this module.

mod faults;
mod serve;
mod truth;
mod weather;
pub mod world;

pub use faults::{Fault, FaultAnswer, FaultEffect, Occurrences};
pub use serve::http::SeenRequest;
pub use truth::{LISTED_REPORTS, TrueAttendance, TrueReport, TrueSession, Truth};
pub use weather::{Trouble, Weather};
pub use world::{CLIENT_ID, CLIENT_SECRET, TENANT_ID, World, WorldSettings};

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serve::http::{self, Shared};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use url::Url;

/// A running tenant on a free port of 127.0.0.1; stops when it is dropped.
#[derive(Debug)]
pub struct SimulatedTenant {
    address: Url,
    shared: Arc<Shared>,
    server: AbortHandle,
}

impl SimulatedTenant {
    /// Starts to serve a world, in a task of the current tokio runtime.
    ///
    /// # Errors
    /// Whatever hinders a loopback port.
    pub async fn start(world: World) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let address = Url::parse(&origin).map_err(io::Error::other)?;
        let shared = Shared::new(world, origin);
        let server = tokio::spawn(http::run(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self {
            address,
            shared,
            server,
        })
    }

    /// Graph's address, without a version: `[graph] endpoint`.
    pub fn endpoint(&self) -> Url {
        self.address.clone()
    }

    /// The sign-in address, without a tenant: `[graph] authority`.
    pub fn authority(&self) -> Url {
        self.address.clone()
    }

    /// All requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.seen()
    }

    /// Adds a fault; where several meet a request, the one that was added first has its way.
    pub fn script(&self, fault: Fault) {
        self.shared.script(fault);
    }

    /// From now on requests fail by chance; `None` ends it.
    pub fn set_weather(&self, weather: Option<Weather>) {
        self.shared.set_weather(weather);
    }

    /// From now on refuses every token with a claims challenge, until somebody signs in with what it asks for.
    pub fn challenge_tokens(&self) {
        self.shared.challenge_tokens();
    }

    /// From now on refuses every token that was given before, as Graph may at any time.
    pub fn revoke_tokens(&self) {
        self.shared.revoke_tokens();
    }

    /// Changes the world between two requests.
    pub fn edit(&self, change: impl FnOnce(&mut World)) {
        self.shared.edit(change);
    }

    /// The world as it is now.
    pub fn world(&self) -> World {
        self.shared.world()
    }
}

impl Drop for SimulatedTenant {
    fn drop(&mut self) {
        self.server.abort();
    }
}
