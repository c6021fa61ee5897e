//! Hostile bytes end the connection that sent them, soon, and nobody else's.

use std::time::{Duration, Instant};

use rstest::rstest;

use crate::device::{Device, Hello, position, puback, publish_v5};
use crate::kafka::Kafka;
use crate::{gateway_test, start};

const TOPIC: &str = "footfall/main/ent-1/positions";

/// What a connection says first, and what it hears before it is closed.
#[rstest]
#[case::http(b"GET / HTTP/1.1\r\n\r\n", b"")]
#[case::tls(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"")]
#[case::ping_first(b"\xc0\x00", b"")]
#[case::quarter_gigabyte(b"\x10\xff\xff\xff\x7f", b"")]
#[case::endless_length(b"\x10\xff\xff\xff\xff\xff", b"")]
#[case::version_3(b"\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x00", b"\x20\x02\x00\x01")]
#[case::version_6(b"\x10\x0c\x00\x04MQTT\x06\x02\x00\x3c\x00\x00", b"\x20\x02\x00\x01")]
#[case::nameless_session(b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x3c\x00\x00", b"\x20\x02\x00\x02")]
#[case::enhanced_authentication(
    b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x04\x15\x00\x01x\x00\x00",
    b"\x20\x03\x00\x8c\x00"
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_begins_wrongly_is_closed(#[case] says: &[u8], #[case] hears: &[u8]) {
    let kafka = Kafka::start();
    let gateway = start(&kafka, &[]).await;
    let mut device = Device::open(gateway.mqtt_address()).await;
    device.send(says).await;
    let begun = Instant::now();
    assert_eq!(device.expect_closed().await, hears);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

/// 3.1.1 has no properties: there, this is a publish with three bytes.
const FINE_IN_V4: &[u8] = b"\x30\x07\x00\x01a\x03\x23\x00\x00";

/// What a connected MQTT 5 client says, and the reason it is told.
#[rstest]
#[case::quarter_gigabyte(b"\x32\xff\xff\xff\x7f", 0x95)]
#[case::big_subscribe(b"\x82\x80\x80\x40", 0x95)]
#[case::endless_length(b"\x32\xff\xff\xff\xff\xff", 0x81)]
#[case::bad_flags(b"\x36\x00", 0x81)]
#[case::topic_no_utf8(b"\x30\x05\x00\x02\xff\xfe\x00", 0x81)]
#[case::topic_beyond_the_packet(b"\x30\x04\xff\xffab", 0x81)]
#[case::packet_id_0(b"\x32\x06\x00\x01a\x00\x00\x00", 0x81)]
#[case::wildcard_topic(b"\x30\x04\x00\x01#\x00", 0x90)]
#[case::nul_topic(b"\x30\x05\x00\x02a\x00\x00", 0x90)]
#[case::unknown_alias(b"\x30\x06\x00\x00\x03\x23\x00\x07", 0x94)]
#[case::alias_0(b"\x30\x07\x00\x01a\x03\x23\x00\x00", 0x94)]
#[case::no_topic(b"\x30\x03\x00\x00\x00", 0x90)]
#[case::second_connect(b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00", 0x82)]
#[case::puback(b"\x40\x02\x00\x01", 0x82)]
#[case::auth(b"\xf0\x00", 0x82)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_packet_ends_its_connection_only(#[case] says: &[u8], #[case] reason: u8) {
    let kafka = Kafka::start();
    let gateway = start(&kafka, &[]).await;
    let mut bystander = Device::v4(gateway.mqtt_address(), Hello::new("bystander")).await;
    let (mut device, _) = Device::v5(gateway.mqtt_address(), Hello::new("hostile")).await;
    device.send(says).await;
    assert_eq!(device.expect_closed().await, [0xe0, 1, reason]);
    let mut device = Device::v4(gateway.mqtt_address(), Hello::new("hostile")).await;
    device.send(says).await;
    if says != FINE_IN_V4 {
        assert_eq!(
            device.expect_closed().await,
            b"",
            "3.1.1 closes without a word"
        );
    }
    bystander.publish(TOPIC, 1, 1, position("t", 1)).await;
    bystander.expect(&puback(1)).await;
}

gateway_test! {
    async fn a_connection_that_says_nothing_is_closed() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &["--connect-timeout", "300ms"]).await;
        for beginning in [b"".as_slice(), b"\x10", b"\x10\x0d\x00\x04MQ"] {
            let mut device = Device::open(gateway.mqtt_address()).await;
            device.send(beginning).await;
            let begun = Instant::now();
            assert_eq!(device.expect_closed().await, b"");
            assert!(begun.elapsed() < Duration::from_secs(3));
        }
    }
}

gateway_test! {
    async fn a_packet_that_never_ends_is_not_waited_for() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &["--packet-timeout", "300ms"]).await;
        for beginning in [b"\x32\x20\x00".as_slice(), b"\x32\x80\x80\x40"] {
            let (mut device, _) = Device::v5(gateway.mqtt_address(), Hello::new("slow")).await;
            device.send(beginning).await;
            assert_eq!(device.expect_closed().await, [0xe0, 1, 0x80]);
        }
    }
}

gateway_test! {
    async fn thousands_of_properties_are_read_and_forgotten() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let (mut device, _) = Device::v5(gateway.mqtt_address(), Hello::new("a")).await;
        let properties = rumqttc::v5::mqttbytes::v5::PublishProperties {
            user_properties: vec![(String::new(), String::new()); 50_000],
            ..Default::default()
        };
        device.send(&publish_v5(TOPIC, 1, 1, position("t", 1).as_bytes(), Some(properties))).await;
        device.expect(&puback(1)).await;
    }
}

gateway_test! {
    async fn a_takeover_loop_leaves_one_connection() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut devices = Vec::new();
        for _ in 0..50 {
            devices.push(Device::v4(gateway.mqtt_address(), Hello::new("same")).await);
        }
        let mut last = devices.pop().unwrap();
        for mut device in devices {
            device.expect_closed().await;
        }
        last.publish(TOPIC, 1, 1, position("t", 1)).await;
        last.expect(&puback(1)).await;
    }
}
