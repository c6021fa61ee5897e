//! Each kind of weather, and the effect that it must have.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;
use crate::fault::{Namespace, Way};

const SEED: u64 = 7;

/// A server that sends everything back, and a proxy before it.
async fn echo() -> Proxy {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let target = listener.local_addr().unwrap();
    let tasks = TaskTracker::new();
    let each = tasks.clone();
    tasks.spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            each.spawn(async move {
                let (mut from, mut to) = socket.split();
                // A reset ends it, which is what some of the tests do.
                drop(tokio::io::copy(&mut from, &mut to).await);
            });
        }
    });
    Proxy::start(target, SEED).unwrap()
}

async fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends bytes and reads as many back.
async fn round_trip(stream: &mut TcpStream, length: usize) -> io::Result<Duration> {
    let sent: Vec<u8> = (0..=255).cycle().take(length).collect();
    let mut received = vec![0; length];
    let started = Instant::now();
    let (mut from, mut to) = stream.split();
    tokio::try_join!(to.write_all(&sent), from.read_exact(&mut received))?;
    assert_eq!(sent, received, "every byte, in order");
    Ok(started.elapsed())
}

/// Whether nothing comes for a while.
async fn is_silent(stream: &mut TcpStream) -> bool {
    let mut one = [0];
    let patience = Duration::from_millis(200);
    tokio::time::timeout(patience, stream.peek(&mut one))
        .await
        .is_err()
}

#[tokio::test]
async fn good_weather_changes_nothing_and_is_counted() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, 300_000).await.unwrap();
    let counts = proxy.counts();
    assert_eq!(counts.connections, 1);
    assert_eq!(
        (counts.bytes_to_target, counts.bytes_to_client),
        (300_000, 300_000)
    );
    assert_eq!((counts.resets, counts.refused), (0, 0));
}

#[tokio::test]
async fn a_delay_is_felt_each_way_and_costs_no_throughput() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    proxy.set(Weather {
        delay: Duration::from_millis(100),
        jitter: Duration::from_millis(20),
        ..Weather::default()
    });
    let one = round_trip(&mut stream, 1).await.unwrap();
    assert!(
        (Duration::from_millis(160)..Duration::from_millis(700)).contains(&one),
        "{one:?}"
    );
    let many = round_trip(&mut stream, 1_000_000).await.unwrap();
    assert!(
        many < Duration::from_secs(3),
        "sixty chunks one after the other take 12 s, not {many:?}"
    );
}

#[tokio::test]
async fn a_rate_limit_takes_its_time() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    proxy.set(Weather {
        bytes_per_second: 40_000,
        ..Weather::default()
    });
    let took = round_trip(&mut stream, 20_000).await.unwrap();
    assert!(
        (Duration::from_millis(380)..Duration::from_secs(3)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn slices_arrive_whole_and_in_order() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    proxy.set(Weather {
        slice_bytes_max: 3,
        bytes_per_second: 1_000,
        ..Weather::default()
    });
    stream.write_all(b"eight by").await.unwrap();
    let mut received = Vec::new();
    let mut reads = 0;
    while received.len() < 8 {
        stream.read_buf(&mut received).await.unwrap();
        reads += 1;
    }
    assert_eq!(received, b"eight by");
    assert!(
        reads >= 3,
        "at most three bytes a piece, not {reads} pieces"
    );
}

#[tokio::test]
async fn resets_hit_about_as_many_chunks_as_they_should() {
    let proxy = echo().await;
    proxy.set(Weather {
        reset_probability: 0.25,
        ..Weather::default()
    });
    let mut broken = 0;
    for _ in 0..100 {
        let mut stream = connect(&proxy).await;
        match round_trip(&mut stream, 10).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                broken += 1;
            }
        }
    }
    // Two chunks a round trip: 44 of 100 are expected.
    assert!((25..65).contains(&broken), "{broken} of 100");
    assert_eq!(proxy.counts().resets, broken);
}

#[tokio::test]
async fn one_direction_can_be_cut_and_what_was_held_comes_after_the_heal() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, 10).await.unwrap();
    for (cut, reaches_target) in [(Cut::ToTarget, 0), (Cut::ToClient, 4), (Cut::Both, 0)] {
        proxy.set(Weather {
            cut,
            ..Weather::default()
        });
        let before = proxy.counts().bytes_to_target;
        stream.write_all(b"held").await.unwrap();
        assert!(is_silent(&mut stream).await, "{cut:?}");
        assert_eq!(
            proxy.counts().bytes_to_target - before,
            reaches_target,
            "{cut:?}"
        );
        proxy.heal();
        let mut held = [0; 4];
        stream.read_exact(&mut held).await.unwrap();
        assert_eq!(&held, b"held");
    }
}

#[tokio::test]
async fn an_end_is_not_seen_through_a_cut() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, 10).await.unwrap();
    proxy.set(Weather {
        cut: Cut::Both,
        ..Weather::default()
    });
    stream.shutdown().await.unwrap();
    assert!(
        is_silent(&mut stream).await,
        "the server would have closed too"
    );
    proxy.heal();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn new_connections_are_refused_and_old_ones_stay() {
    let proxy = echo().await;
    let mut old = connect(&proxy).await;
    round_trip(&mut old, 10).await.unwrap();
    proxy.set(Weather {
        refuses: true,
        ..Weather::default()
    });
    let mut new = connect(&proxy).await;
    assert!(round_trip(&mut new, 10).await.is_err());
    round_trip(&mut old, 10).await.unwrap();
    assert_eq!(proxy.counts().refused, 1);
    proxy.heal();
    round_trip(&mut connect(&proxy).await, 10).await.unwrap();
}

#[tokio::test]
async fn all_connections_can_be_reset_and_the_next_go_elsewhere() {
    let (proxy, other) = (echo().await, echo().await);
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, 10).await.unwrap();
    proxy.retarget(other.address());
    proxy.reset_all();
    let error = stream.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    round_trip(&mut connect(&proxy).await, 10).await.unwrap();
    assert_eq!(other.counts().connections, 1);
}

#[tokio::test]
async fn the_same_seed_makes_the_same_choices() {
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let proxy = echo().await;
        proxy.set(Weather {
            reset_probability: 0.3,
            ..Weather::default()
        });
        let mut outcome = Vec::new();
        for _ in 0..12 {
            outcome.push(round_trip(&mut connect(&proxy).await, 1).await.is_ok());
        }
        outcomes.push(outcome);
    }
    assert_eq!(outcomes[0], outcomes[1]);
}

#[tokio::test]
async fn a_proxy_in_a_namespace_leaves_tcp_half_open() {
    let namespace = match Namespace::make() {
        Ok(namespace) => namespace,
        Err(why) => return eprintln!("SKIPPED: {why}"),
    };
    let listener = TcpListener::bind((namespace.near_address, 0))
        .await
        .unwrap();
    let target = listener.local_addr().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let proxy = Proxy::start_inside(namespace.entrance().unwrap(), listen, target, SEED).unwrap();
    let mut device = connect(&proxy).await;
    let (mut gateway, from) = listener.accept().await.unwrap();
    assert_ne!(from.ip(), target.ip());
    device.write_all(b"!").await.unwrap();
    gateway.read_exact(&mut [0]).await.unwrap();
    namespace.cut(Way::Both).unwrap();
    device.shutdown().await.unwrap();
    assert!(
        is_silent(&mut gateway).await,
        "not even the end comes through"
    );
    namespace.mend().unwrap();
    assert_eq!(gateway.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_stopped_proxy_gives_its_port_to_the_next() {
    let (first, other) = (echo().await, echo().await);
    let address = first.address();
    let mut stream = connect(&first).await;
    round_trip(&mut stream, 10).await.unwrap();
    first.stop().await;
    assert!(round_trip(&mut stream, 10).await.is_err());
    let second = Proxy::start_at(address, other.address(), SEED).unwrap();
    round_trip(&mut connect(&second).await, 10).await.unwrap();
}
