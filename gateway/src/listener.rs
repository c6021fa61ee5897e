//! The MQTT listener: accepts connections, greets them, and hands them to [`Connection`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::close::Close;
use crate::connection::Connection;
use crate::encode::encode;
use crate::farewell;
use crate::input::Input;
use crate::packet::{Connect, Refusal, Reply, Version};
use crate::registry::Seat;
use crate::session::{self, Session};
use crate::shared::Shared;
use crate::signal::{Flag, Signal};

/// How long a connection waits for the earlier one of the same client id to end, its will included.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long accepting pauses after it failed, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Probes for peers that went away without a word; the only ones when a client has no keep-alive.
const TCP_KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const TCP_KEEPALIVE_PROBES: u32 = 3;

/// Accepts connections until `stop`; each is a task of `tracker`.
pub(crate) async fn accept(
    listener: TcpListener,
    connections_max: usize,
    shared: Arc<Shared>,
    tracker: TaskTracker,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) => {
                warn!("cannot accept a connection: {cause}");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            shared.metrics.connect_failed(Close::Limit);
            continue;
        };
        let shared = Arc::clone(&shared);
        tracker.spawn(async move {
            shared.metrics.connections.increment(1.0);
            connection(&shared, stream, peer).await;
            shared.metrics.connections.decrement(1.0);
            drop(place);
        });
    }
}

async fn connection(shared: &Arc<Shared>, mut stream: TcpStream, peer: SocketAddr) {
    if let Err(cause) = prepare(&stream) {
        debug!("{peer} went away at once: {cause}");
        return shared.metrics.connect_failed(Close::Lost);
    }
    let signal = Arc::new(Signal::new(Arc::clone(&shared.budget)));
    let mut seat = shared.registry.enter(signal);
    let mut input = Input::new(shared.limits.packet_bytes_max);
    let session = match greet(shared, &mut seat, &mut stream, &mut input).await {
        Ok(session) => session,
        Err(failure) => {
            debug!(net.peer = %peer, "{peer} did not connect: {failure:?}");
            let (last_words, lingers) = match failure {
                Failure::Closed(close) => {
                    shared.metrics.connect_failed(close);
                    (BytesMut::new(), close.lingers())
                }
                Failure::Refused(version, refusal) => {
                    shared.metrics.connect_refused(refusal);
                    let mut refused = BytesMut::new();
                    encode(version, &Reply::Refused(refusal), &mut refused);
                    (refused, true)
                }
            };
            return farewell::part(stream, &last_words, lingers).await;
        }
    };
    let client_id = session.client_id.clone();
    debug!(client.id = client_id, net.peer = %peer, "{client_id} connected from {peer}");
    let signal = Arc::clone(&seat.signal);
    let connection = Connection::new(Arc::clone(shared), Arc::clone(&signal), session, input);
    let (close, last_words, will) = connection.serve(&mut stream).await;
    shared.metrics.disconnected(close);
    debug!(
        client.id = client_id,
        "{client_id} ends: {}",
        close.as_str()
    );
    farewell::part(stream, &last_words, close.lingers()).await;
    if let Some(will) = will {
        farewell::publish_will(shared, &signal, will).await;
    }
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(TCP_KEEPALIVE_IDLE)
        .with_interval(TCP_KEEPALIVE_INTERVAL)
        .with_retries(TCP_KEEPALIVE_PROBES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Why a connection has no session.
#[derive(Debug)]
enum Failure {
    /// It ended, or has to.
    Closed(Close),
    /// Its CONNECT was refused.
    Refused(Version, Refusal),
}

/// From the first byte to the CONNACK.
async fn greet(
    shared: &Shared,
    seat: &mut Seat,
    stream: &mut TcpStream,
    input: &mut Input,
) -> Result<Session, Failure> {
    let connect = tokio::select! {
        read = timeout(shared.timeouts.connect, read_connect(stream, input)) => match read {
            Ok(connect) => connect.map_err(Failure::Closed)?,
            Err(_) => return Err(Failure::Closed(Close::Slow)),
        },
        close = told_to_leave(&seat.signal) => return Err(Failure::Closed(close)),
    };
    let connect = connect.map_err(|refusal| Failure::Refused(Version::V4, refusal))?;
    let version = connect.version;
    let spare_client_id = || format!("footfall-{}-{:x}", seat.id, shared.clock.now().0);
    let (session, accepted) = session::open(connect, &shared.limits, spare_client_id)
        .map_err(|refusal| Failure::Refused(version, refusal))?;
    if let Some(earlier) = seat.claim(&session.client_id) {
        // Its will, if any, comes before whatever this connection says.
        drop(timeout(TAKEOVER_TIMEOUT, earlier.ended()).await);
    }
    let mut reply = BytesMut::new();
    encode(version, &accepted, &mut reply);
    // A new socket has room for a few bytes; one that has not is gone.
    match stream.try_write(&reply) {
        Ok(count) if count == reply.len() => {
            shared.metrics.connects_accepted.increment(1);
            Ok(session)
        }
        _ => Err(Failure::Closed(Close::Lost)),
    }
}

async fn read_connect(
    stream: &mut TcpStream,
    input: &mut Input,
) -> Result<Result<Connect, Refusal>, Close> {
    loop {
        if let Some(connect) = input.connect()? {
            return Ok(connect);
        }
        input.make_room();
        match stream.read_buf(&mut input.bytes).await {
            Ok(count) if count > 0 => {}
            _ => return Err(Close::Lost),
        }
    }
}

/// Waits until this connection has to leave although it has not connected yet.
async fn told_to_leave(signal: &Signal) -> Close {
    loop {
        if let Some(close) = signal.close() {
            return close;
        }
        if signal.is_raised(Flag::Shutdown) {
            return Close::Shutdown;
        }
        signal.woken().await;
    }
}
