//! A TCP proxy between two parts of a system, whose weather is changed while connections are open.
//!
//! What a bad network does to TCP is done here to its bytes: they come later, slower, in small pieces, or not at all while a
//! direction is cut. Bytes of a cut direction are held and not thrown away, because TCP would send them again; what one end
//! closed meanwhile is not seen by the other end either, so both keep a connection that leads nowhere. A reset is a real RST.
//! The kernel's own acknowledgements still flow; where a test needs them gone too, see [`crate::fault::Namespace`].

mod pump;
mod weather;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::fault::Entrance;
use pump::Pump;
use weather::Towards;
pub use weather::{Counts, Cut, Weather};

/// A running proxy. Dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    ends_with_it: DropGuard,
}

#[derive(Debug)]
struct Shared {
    target: watch::Sender<SocketAddr>,
    weather: watch::Sender<Weather>,
    /// Counts the calls of [`Proxy::reset_all`].
    storm: watch::Sender<u64>,
    seed: u64,
    connections: AtomicU64,
    refused: AtomicU64,
    resets: AtomicU64,
    bytes_to_target: AtomicU64,
    bytes_to_client: AtomicU64,
}

impl Proxy {
    /// Listens at a free port of loopback for connections to `target`. The same seed makes the same choices, connection by
    /// connection.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(target: SocketAddr, seed: u64) -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), target, seed)
    }

    /// Listens where somebody else listened before, so that clients need not be told.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn start_at(listen: SocketAddr, target: SocketAddr, seed: u64) -> io::Result<Self> {
        let (proxy, accepting) = Self::listen(listen, target, seed)?;
        TaskTracker::new().spawn(accepting);
        Ok(proxy)
    }

    /// The same with its connections to `target` made inside of a namespace: when the cable is cut, both ends of such a
    /// connection are left with TCP that is half open.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn start_inside(
        namespace: Entrance,
        listen: SocketAddr,
        target: SocketAddr,
        seed: u64,
    ) -> io::Result<Self> {
        let (proxy, accepting) = Self::listen(listen, target, seed)?;
        let work = move || {
            let runtime = namespace
                .enter()
                .and_then(|()| runtime::Builder::new_current_thread().enable_all().build());
            match runtime {
                Ok(runtime) => runtime.block_on(accepting),
                // Its clients are refused then, so a test cannot miss it.
                Err(error) => tracing::error!("the proxy cannot work in its namespace: {error}"),
            }
        };
        thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(work)?;
        Ok(proxy)
    }

    fn listen(
        listen: SocketAddr,
        target: SocketAddr,
        seed: u64,
    ) -> io::Result<(Self, impl Future<Output = ()> + Send + 'static)> {
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: watch::Sender::new(target),
            weather: watch::Sender::new(Weather::default()),
            storm: watch::Sender::new(0),
            seed,
            connections: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            bytes_to_target: AtomicU64::new(0),
            bytes_to_client: AtomicU64::new(0),
        });
        let (ended, tasks) = (CancellationToken::new(), TaskTracker::new());
        let accepting = accept(listener, Arc::clone(&shared), tasks.clone(), ended.clone());
        let accepting = ended.clone().run_until_cancelled_owned(accepting);
        let accepting = tasks.track_future(accepting.map(drop));
        let proxy = Self {
            address,
            shared,
            tasks,
            ends_with_it: ended.drop_guard(),
        };
        Ok((proxy, accepting))
    }

    /// Ends every connection and gives the port back.
    pub async fn stop(self) {
        drop(self.ends_with_it);
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather for all connections, those that are open included.
    pub fn set(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
    }

    /// Good weather again. What a cut held back flows on.
    pub fn heal(&self) {
        self.set(Weather::default());
    }

    /// Connects the next clients to another target, such as a role that was started again at another port.
    pub fn retarget(&self, target: SocketAddr) {
        self.shared.target.send_replace(target);
    }

    /// Resets every open connection at once.
    pub fn reset_all(&self) {
        self.shared.storm.send_modify(|storm| *storm += 1);
    }

    /// What went through so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            connections: of(&self.shared.connections),
            refused: of(&self.shared.refused),
            resets: of(&self.shared.resets),
            bytes_to_target: of(&self.shared.bytes_to_target),
            bytes_to_client: of(&self.shared.bytes_to_client),
        }
    }
}

async fn accept(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    ended: CancellationToken,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("the proxy cannot listen: {error}"),
    };
    for number in 0.. {
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(error) => {
                // Out of descriptors, most likely; they come back.
                tracing::warn!("the proxy cannot accept: {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if shared.weather.borrow().refuses {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            reset(&client);
            continue;
        }
        let connection = connection(Arc::clone(&shared), client, number);
        tasks.spawn(ended.clone().run_until_cancelled_owned(connection));
    }
}

/// One connection from its start to its end.
async fn connection(shared: Arc<Shared>, mut client: TcpStream, number: u64) {
    let mut storm = shared.storm.subscribe();
    let address = *shared.target.borrow();
    let Ok(mut target) = TcpStream::connect(address).await else {
        return reset(&client);
    };
    shared.connections.fetch_add(1, Ordering::Relaxed);
    // Slices must leave as they are; a socket that refuses only makes them larger.
    for socket in [&client, &target] {
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!("slices may be joined: {error}");
        }
    }
    let (from_client, to_client) = client.split();
    let (from_target, to_target) = target.split();
    let there = Pump::new(&shared, Towards::Target, number).run(from_client, to_target);
    let back = Pump::new(&shared, Towards::Client, number).run(from_target, to_client);
    let outcome = tokio::select! {
        outcome = async { tokio::try_join!(there, back) } => outcome.map(drop),
        _ = storm.changed() => Err(ErrorKind::ConnectionReset.into()),
    };
    if let Err(error) = outcome {
        if error.kind() == ErrorKind::ConnectionReset {
            shared.resets.fetch_add(1, Ordering::Relaxed);
        }
        reset(&client);
        reset(&target);
    }
}

/// A linger of zero makes the kernel send RST where it would send FIN when the socket is dropped, which is next.
fn reset(socket: &TcpStream) {
    if let Err(error) = SockRef::from(socket).set_linger(Some(Duration::ZERO)) {
        tracing::debug!("the reset is an orderly end: {error}");
    }
}

#[cfg(test)]
mod tests;
