use std::time::Duration;

use bytes::BytesMut;
use chassis::clock::Clock;
use chassis::kafka::KafkaArgs;
use rdkafka::mocking::MockCluster;
use rumqttc::mqttbytes::v4;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::budget::Budget;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::packet::Connect;
use crate::producer::{Partitions, Producer};
use crate::registry::Registry;
use crate::route::RouteTable;
use crate::session::{self, Limits};
use crate::shared::Timeouts;

const PATIENCE: Duration = Duration::from_secs(15);

/// Everything a connection needs, with a producer that has room for three records.
fn shared(kafka: String) -> Arc<Shared> {
    let metrics = Arc::new(Metrics::new());
    let kafka = KafkaArgs {
        kafka,
        topic_prefix: String::new(),
    };
    let mut settings = kafka.producer("test", Duration::ZERO);
    settings.set("queue.buffering.max.messages", "3");
    Arc::new(Shared {
        clock: Clock::System,
        limits: Limits {
            receive_maximum: 1000,
            topic_alias_maximum: 0,
            topic_bytes_max: 512,
            packet_bytes_max: 262_144,
        },
        timeouts: Timeouts {
            connect: PATIENCE,
            packet: PATIENCE,
        },
        intake: Intake::new(
            RouteTable::native(),
            Partitions {
                movements: 6,
                dead_letters: 1,
            },
            262_144,
            Arc::clone(&metrics),
        ),
        producer: Producer::with_settings(&settings, &kafka, Arc::clone(&metrics)).unwrap(),
        budget: Arc::new(Budget::new(1_000_000)),
        registry: Arc::new(Registry::default()),
        metrics,
    })
}

fn publish(pkid: u16, payload: &str) -> BytesMut {
    let topic = "footfall/main/ent-1/positions";
    let mut publish = v4::Publish::new(topic, rumqttc::QoS::AtLeastOnce, payload);
    publish.pkid = pkid;
    let mut bytes = BytesMut::new();
    publish.write(&mut bytes).unwrap();
    bytes
}

fn mock_kafka() -> MockCluster<'static, rdkafka::producer::DefaultProducerContext> {
    let kafka = MockCluster::new(1).unwrap();
    kafka.create_topic("sensor-movements", 6, 1).unwrap();
    kafka.create_topic("dead-letters", 1, 1).unwrap();
    kafka
}

/// A connection that speaks 3.1.1, its socket, and the device at the other end.
async fn connection(shared: &Arc<Shared>) -> (Connection, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let device = TcpStream::connect(address).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let connect = Connect {
        version: Version::V4,
        client_id: "ent-1".to_owned(),
        clean_start: true,
        keep_alive: 0,
        will: None,
        has_authentication_method: false,
        wants_reasons: false,
    };
    let (session, _) = session::open(connect, &shared.limits, String::new).unwrap();
    let signal = Arc::new(Signal::new(Arc::clone(&shared.budget)));
    let input = Input::new(shared.limits.packet_bytes_max);
    let connection = Connection::new(Arc::clone(shared), signal, session, input);
    (connection, stream, device)
}

/// The PUBACKs of packets 1 to `count`, in order.
async fn expect_acknowledgements(device: &mut TcpStream, count: u8) {
    let expected: Vec<u8> = (1..=count).flat_map(|pkid| [0x40, 2, 0, pkid]).collect();
    let mut acknowledged = vec![0; expected.len()];
    let read = timeout(PATIENCE, device.read_exact(&mut acknowledged));
    read.await.unwrap().unwrap();
    assert_eq!(acknowledged, expected);
}

/// The device says goodbye, and the connection ends for that reason.
async fn leave(mut device: TcpStream, mut serving: JoinSet<Close>) {
    device.write_all(&[0xe0, 0]).await.unwrap();
    let close = timeout(PATIENCE, serving.join_next()).await.unwrap();
    assert_eq!(close.unwrap().unwrap(), Close::Client { with_will: false });
}

#[tokio::test]
async fn a_full_queue_stops_the_taking_in_and_loses_nothing() {
    let kafka = mock_kafka();
    let shared = shared(kafka.bootstrap_servers());
    let (connection, mut stream, mut device) = connection(&shared).await;
    let mut serving = JoinSet::new();
    serving.spawn(async move { connection.serve(&mut stream).await.0 });

    kafka.broker_down(-1).unwrap();
    let element = r#"{"traveler_id":"t","x":1,"y":2}"#;
    let array = format!("[{}]", [element; 10].join(","));
    for pkid in 1..=5 {
        device.write_all(&publish(pkid, &array)).await.unwrap();
    }
    let mut byte = [0];
    let silence = timeout(Duration::from_millis(300), device.read(&mut byte)).await;
    assert!(silence.is_err(), "nothing is acknowledged: {silence:?}");
    assert!(
        shared.producer.queued() <= 3,
        "{}",
        shared.producer.queued()
    );
    kafka.broker_up(-1).unwrap();
    expect_acknowledgements(&mut device, 5).await;
    leave(device, serving).await;
}

#[tokio::test]
async fn a_new_client_takes_over_what_the_old_one_has_not_delivered() {
    let kafka = mock_kafka();
    let shared = shared(kafka.bootstrap_servers());
    let (connection, mut stream, mut device) = connection(&shared).await;
    let mut serving = JoinSet::new();
    serving.spawn(async move { connection.serve(&mut stream).await.0 });

    kafka.broker_down(-1).unwrap();
    let element = r#"{"traveler_id":"t","x":1,"y":2}"#;
    for pkid in 1..=3 {
        device.write_all(&publish(pkid, element)).await.unwrap();
    }
    let all_queued = async {
        while shared.producer.queued() < 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, all_queued).await.unwrap();
    let renewing = Arc::clone(&shared);
    let renewed = tokio::task::spawn_blocking(move || renewing.producer.renew()).await;
    renewed.unwrap().unwrap();
    assert_eq!(shared.producer.queued(), 3);
    kafka.broker_up(-1).unwrap();
    expect_acknowledgements(&mut device, 3).await;
    leave(device, serving).await;
}

#[tokio::test]
async fn more_acknowledgements_than_fit_at_once_all_go_out_without_another_wake_up() {
    const COUNT: u16 = 20_000;
    let kafka = mock_kafka();
    let shared = shared(kafka.bootstrap_servers());
    let (mut connection, mut stream, mut device) = connection(&shared).await;
    for pkid in 1..=COUNT {
        let topic = "footfall/main/ent-1/positions".to_owned();
        let empty = Publish {
            topic,
            alias: None,
            qos: crate::packet::Qos::AtLeastOnce,
            pkid,
            payload: bytes::Bytes::from_static(b"[]"),
            payload_bytes: 2,
            traceparent: None,
        };
        match connection
            .session
            .packet(crate::packet::Packet::Publish(empty))
        {
            Action::Publish(publish) => connection.publish(publish),
            other => panic!("{other:?}"),
        }
    }
    let expected: Vec<u8> = (1..=COUNT)
        .flat_map(|pkid| {
            let [high, low] = pkid.to_be_bytes();
            [0x40, 2, high, low]
        })
        .collect();
    assert!(expected.len() > OUTPUT_BYTES_MAX);
    let mut serving = JoinSet::new();
    serving.spawn(async move { connection.serve(&mut stream).await.0 });
    let mut acknowledged = vec![0; expected.len()];
    let read = timeout(PATIENCE, device.read_exact(&mut acknowledged));
    read.await.expect("all are sent").unwrap();
    assert!(acknowledged == expected);
}
