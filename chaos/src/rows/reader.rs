//! Clients of the websocket that do not read.

mod frames;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chassis::clock::Clock;
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::detour::until;
use crate::check::Checker;
use crate::check::bound::Usage;
use crate::row::Row;
use crate::scene::Scene;
use frames::Frames;

/// The rows of this file.
pub const ROWS: &[Row] = &[Row {
    longest: Duration::from_secs(360),
    ..Row::usual(
        "28",
        "200 clients of the websocket subscribe, ping and never read",
        "the api grows by at most 64 MiB and ends those that do not read; 95 % of the others' frames come within 2 s and are no older, none takes 10 s",
        slow_readers,
    )
}];

const API: &str = "api-0";
const CLOSES: &str = "footfall_api_socket_closes_total";
const SLOW: usize = 200;
const SLOW_ENDED: f64 = 200.0;
const GOOD: usize = 5;
const GROWTH_KIB_MAX: u64 = 64 * 1024;
const FRAME_WITHIN: Duration = Duration::from_secs(2);
/// A subscription that is silent for so long has ended, whatever else the socket still says.
const FRAME_MISSING: Duration = Duration::from_secs(10);
/// What waited in the sockets of those that read while the others were connected is old.
const CAUGHT_UP: Duration = Duration::from_secs(1);
/// What the api calls a client that does not read.
const TOO_SLOW: &str = r#"code="4409""#;
/// A client of which nothing is heard for 25 s is ended for that, which would hide whether not reading is noticed.
const SPEAK_EVERY: Duration = Duration::from_secs(5);
const SPOKEN_WITHIN: Duration = Duration::from_millis(100);
const PING: &str = r#"{"t":"ping","id":3}"#;
/// Ids of subscriptions.
const OVERVIEW: u64 = 1;
const SERIES: u64 = 2;
/// A client may owe 10 s of reading; before that, the kernel's buffers fill, which was seen to take 80 s.
const ENDED_WITHIN: Duration = Duration::from_secs(240);

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
struct Greed {
    rate_hz: f64,
    receive_buffer_bytes: Option<usize>,
}

/// Those that read.
const MODEST: Greed = Greed {
    rate_hz: 5.0,
    receive_buffer_bytes: None,
};

/// Those that do not read ask for as much as there is, and the kernel must not read on their behalf.
const GREEDY: Greed = Greed {
    rate_hz: 20.0,
    receive_buffer_bytes: Some(4096),
};

fn slow_readers<'s>(scene: &'s mut Scene<'_>) -> LocalBoxFuture<'s, anyhow::Result<()>> {
    async move {
        let api = scene.site.apis().into_iter().next().context("no api")?;
        let mut good = Vec::new();
        for _ in 0..GOOD {
            good.push(subscribe(&api, MODEST, &scene.load.devices).await?);
        }
        let before = usage(scene)?;
        let known = ended(scene).await?;
        scene.note(format!("connect {SLOW} that do not read"));
        let mut slow = Vec::new();
        for _ in 0..SLOW {
            slow.push(subscribe(&api, GREEDY, &scene.load.devices).await?);
        }
        let slow = speak(slow);
        let watched = Duration::from_secs(scene.pick(25, 75));
        let watching = good.into_iter().map(|socket| follow(socket, watched));
        let (frames, most) = tokio::join!(
            futures_util::future::try_join_all(watching),
            most_memory(scene, watched)
        );
        check_frames(scene, &frames?, Instant::now());
        let growth = most.saturating_sub(before.rss_kib);
        scene.note(format!("the api grew by {growth} KiB"));
        let sentence = format!("the api grew by {growth} KiB for {SLOW} that do not read");
        scene.expect(growth <= GROWTH_KIB_MAX, Checker::L2, sentence);
        let all = async || Ok(ended(scene).await? - known >= SLOW_ENDED);
        let took = until("those that do not read are ended", ENDED_WITHIN, all).await?;
        let seconds = (watched + took).as_secs();
        scene.note(format!("after {seconds} s the api has ended all {SLOW}"));
        drop(slow);
        Ok(())
    }
    .boxed_local()
}

/// How many clients the api ended because they do not read.
async fn ended(scene: &Scene<'_>) -> anyhow::Result<f64> {
    scene.site.metric(API, CLOSES, TOO_SLOW).await
}

/// Lets clients speak, so that nothing but what they do not read can end them. They go on until the set is dropped.
fn speak(mut clients: Vec<WebSocketStream<TcpStream>>) -> JoinSet<()> {
    let mut speaking = JoinSet::new();
    speaking.spawn(async move {
        loop {
            for client in &mut clients {
                // One that was ended cannot speak any more; the api counts it.
                drop(timeout(SPOKEN_WITHIN, client.send(Message::text(PING))).await);
            }
            sleep(SPEAK_EVERY).await;
        }
    });
    speaking
}

/// What those got that read.
fn check_frames(scene: &mut Scene<'_>, clients: &[Frames], ended: Instant) {
    let worst = frames::worst(clients, ended);
    scene.note(format!("{} frames for those that read", worst.frames));
    scene.bound("p95 between their frames", worst.p95, FRAME_WITHIN);
    scene.bound("longest between their frames", worst.longest, FRAME_MISSING);
    match worst.age {
        Some(age) => scene.bound("p95 of their frames' age", age, FRAME_WITHIN),
        None => scene.expect(false, Checker::L1, "no frame says of when it is"),
    }
}

fn usage(scene: &Scene<'_>) -> anyhow::Result<Usage> {
    let pids = scene.site.pids();
    let pid = pids.lock().ok().and_then(|pids| pids.get(API).copied());
    Usage::of(pid.context("no api")?).context("the api is gone")
}

/// The most that the api used in that time, KiB.
async fn most_memory(scene: &Scene<'_>, during: Duration) -> u64 {
    let began = Instant::now();
    let mut most = 0;
    while began.elapsed() < during {
        sleep(Duration::from_millis(500)).await;
        most = most.max(usage(scene).map_or(0, |usage| usage.rss_kib));
    }
    most
}

/// Follows the overview and a series of every device.
async fn subscribe(
    api: &str,
    greed: Greed,
    devices: &[String],
) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let url = format!("{}/stream", api.replace("http://", "ws://"));
    let host = api
        .trim_start_matches("http://")
        .split('/')
        .next()
        .unwrap_or_default();
    let stream = connect(host.parse()?, greed.receive_buffer_bytes).await?;
    let mut request = url.into_client_request()?;
    let protocol = HeaderValue::from_static("footfall.v1");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = client_async(request, stream)
        .await
        .context("the websocket")?;
    let params = json!({
        "metric": "entries,present,speed_avg,speed_min,speed_max", "sensor": devices.join(","), "group_by": "sensor",
        "start": "now-5m", "end": "now", "window": "10s", "step": "10s", "mode": "bucket",
    });
    for (id, topic, params) in [
        (OVERVIEW, "overview", json!({})),
        (SERIES, "series", params),
    ] {
        let subscribe = json!({"t": "sub", "id": id, "topic": topic, "rate_hz": greed.rate_hz, "params": params});
        socket.send(Message::text(subscribe.to_string())).await?;
    }
    Ok(socket)
}

async fn connect(address: SocketAddr, receive_buffer: Option<usize>) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(bytes) = receive_buffer {
        // Before connecting, because the window is agreed on then.
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.connect(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(TcpStream::from_std(socket.into())?)
}

/// Reads, and notes what comes once it has caught up.
async fn follow(
    mut socket: WebSocketStream<TcpStream>,
    during: Duration,
) -> anyhow::Result<Frames> {
    let began = Instant::now();
    let caught_up = began + CAUGHT_UP;
    let mut frames = Frames::of(&[OVERVIEW, SERIES], caught_up);
    while began.elapsed() < during {
        let message = timeout(during, socket.next())
            .await
            .context("no frame at all")?;
        let text = match message.context("the api ended a client that reads")?? {
            Message::Text(text) => text,
            Message::Close(reason) => bail!("the api ended a client that reads: {reason:?}"),
            _ => continue,
        };
        let said: Value = serde_json::from_str(&text)?;
        match said["t"].as_str() {
            Some("delta") if Instant::now() >= caught_up => {
                frames.note(&said, Instant::now(), Clock::System.now());
            }
            Some("error") => bail!("refused: {text}"),
            _ => {}
        }
    }
    Ok(frames)
}
