use rumqttc::{ConnAck, PubAck};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::*;

/// A broker's end of one connection, after CONNECT and CONNACK.
struct Broker {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Broker {
    async fn accept(listener: &TcpListener, code: ConnectReturnCode) -> (Self, Connect) {
        let (stream, _) = listener.accept().await.unwrap();
        let mut broker = Self {
            stream,
            buffer: BytesMut::new(),
        };
        let Packet::Connect(connect) = broker.packet().await.unwrap() else {
            panic!("the first packet is CONNECT")
        };
        let mut answer = BytesMut::new();
        ConnAck::new(code, false).write(&mut answer).unwrap();
        broker.stream.write_all(&answer).await.unwrap();
        (broker, connect)
    }

    /// The next packet that is not a ping; `None` when the device has closed.
    async fn packet(&mut self) -> Option<Packet> {
        loop {
            match read(&mut self.buffer).unwrap() {
                Some(Packet::PingReq) => {}
                Some(packet) => return Some(packet),
                None => {
                    if self.stream.read_buf(&mut self.buffer).await.unwrap() == 0 {
                        return None;
                    }
                }
            }
        }
    }

    async fn publish(&mut self) -> Publish {
        match self.packet().await {
            Some(Packet::Publish(publish)) => publish,
            other => panic!("a PUBLISH, not {other:?}"),
        }
    }

    async fn acknowledge(&mut self, publish: &Publish) {
        let mut answer = BytesMut::new();
        PubAck::new(publish.pkid).write(&mut answer).unwrap();
        self.stream.write_all(&answer).await.unwrap();
    }

    /// Whether the device sends nothing more for a moment.
    async fn hears_nothing(&mut self) -> bool {
        timeout(Duration::from_millis(150), self.packet())
            .await
            .is_err()
    }
}

struct Device {
    messages: mpsc::Sender<Outgoing>,
    progress: Arc<Progress>,
    outcome: JoinHandle<Result<(), LinkError>>,
}

async fn device(login: Option<(&str, &str)>) -> (TcpListener, Device) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (messages, receiver) = mpsc::channel(1_000);
    let progress = Arc::new(Progress::new());
    let identity = Identity {
        address: listener.local_addr().unwrap().to_string(),
        client_id: "ent-1@main".to_owned(),
        login: login.map(|(user, password)| (user.to_owned(), SecretString::from(password))),
        will: Some((
            "footfall/main/ent-1/status".to_owned(),
            Bytes::from_static(b"gone"),
        )),
    };
    let link = Link::new(identity, receiver, Arc::clone(&progress));
    let outcome = TaskTracker::new().spawn(link.run());
    (
        listener,
        Device {
            messages,
            progress,
            outcome,
        },
    )
}

impl Device {
    async fn send(&self, numbers: std::ops::Range<i64>, step: Span) {
        for number in numbers {
            let message = Outgoing {
                topic: "footfall/main/ent-1/positions".into(),
                payload: Bytes::from(number.to_string()),
                send_at: Micros(number * step.0),
            };
            self.messages.send(message).await.unwrap();
        }
    }
}

fn number(publish: &Publish) -> i64 {
    std::str::from_utf8(&publish.payload)
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_before_anything_newer() {
    let (listener, device) = device(Some(("reader", "secret"))).await;
    device.send(0..5, Span(1)).await;
    let (mut broker, connect) = Broker::accept(&listener, ConnectReturnCode::Success).await;
    assert_eq!(connect.login.unwrap().username, "reader");
    assert_eq!(connect.last_will.unwrap().message, "gone");
    for expected in 0..5 {
        let publish = broker.publish().await;
        assert_eq!((number(&publish), publish.dup), (expected, false));
        if expected < 2 {
            broker.acknowledge(&publish).await;
        }
    }
    while device.progress.acknowledged_count() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    drop(broker);

    device.send(5..7, Span(1)).await;
    let Device {
        messages,
        outcome,
        progress,
    } = device;
    drop(messages);
    let (mut broker, _) = Broker::accept(&listener, ConnectReturnCode::Success).await;
    for expected in 2..7 {
        let publish = broker.publish().await;
        assert_eq!(number(&publish), expected);
        assert!(publish.dup || expected >= 5, "{expected} was sent before");
        broker.acknowledge(&publish).await;
    }
    assert_eq!(broker.packet().await, Some(Packet::Disconnect));
    outcome.await.unwrap().unwrap();
    assert_eq!(progress.acknowledged_count(), 7);
}

#[tokio::test]
async fn the_window_is_bounded_in_number_and_in_event_time() {
    for (step, allowed) in [(Span(1), 256), (Span::from_secs(6), 11)] {
        let (listener, device) = device(None).await;
        device.send(0..300, step).await;
        let (mut broker, _) = Broker::accept(&listener, ConnectReturnCode::Success).await;
        let mut first = None;
        for expected in 0..allowed {
            let publish = broker.publish().await;
            assert_eq!(number(&publish), expected);
            first.get_or_insert(publish);
        }
        assert!(broker.hears_nothing().await, "{allowed} in flight");
        broker.acknowledge(&first.unwrap()).await;
        assert_eq!(number(&broker.publish().await), allowed);
        assert!(
            broker.hears_nothing().await,
            "one more for one acknowledgement"
        );
    }
}

#[tokio::test]
async fn a_broker_that_is_busy_is_tried_again_and_one_that_knows_us_not_is_not() {
    let (listener, device) = device(None).await;
    Broker::accept(&listener, ConnectReturnCode::ServiceUnavailable).await;
    Broker::accept(&listener, ConnectReturnCode::NotAuthorized).await;
    let error = device.outcome.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("refused ent-1@main"), "{error}");
}

#[tokio::test]
async fn a_broker_that_talks_nonsense_is_left_and_tried_again() {
    let (listener, device) = device(None).await;
    device.send(0..1, Span(1)).await;
    let (mut broker, _) = Broker::accept(&listener, ConnectReturnCode::Success).await;
    let publish = broker.publish().await;
    broker
        .acknowledge(&Publish {
            pkid: 77,
            ..publish
        })
        .await;
    assert_eq!(broker.packet().await, None, "closed by the device");
    let (mut broker, _) = Broker::accept(&listener, ConnectReturnCode::Success).await;
    assert_eq!(number(&broker.publish().await), 0);
}
