//! What MQTT promises beside publishing: wills, keep-alive, takeover, subscriptions, limits.

use std::time::{Duration, Instant};

use domain::event::{Body, DeviceState};
use rumqttc::v5::mqttbytes::v5;

use crate::device::{Device, Hello, position, puback, publish_v5};
use crate::kafka::Kafka;
use crate::{eventually, gateway_test, metric, start};

const STATUS: &str = "footfall/main/ent-1/status";

fn states(kafka: &Kafka, count: usize) -> Vec<DeviceState> {
    kafka
        .events(count)
        .iter()
        .map(|record| match record.event().body {
            Body::Status(status) => status.state,
            other => panic!("{other:?}"),
        })
        .collect()
}

gateway_test! {
    async fn a_will_is_published_when_the_connection_breaks() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let hello = Hello::new("ent-1").with_will(STATUS, "offline");
        drop(Device::v4(gateway.mqtt_address(), hello).await);
        assert_eq!(states(&kafka, 1), [DeviceState::Offline]);
    }
}

gateway_test! {
    async fn a_will_is_forgotten_when_the_client_leaves_in_order() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let hello = Hello::new("ent-1").with_will(STATUS, "offline");
        let mut device = Device::v4(gateway.mqtt_address(), hello.clone()).await;
        device.send(&[0xe0, 0]).await;
        device.expect_closed().await;
        let (mut device, _) = Device::v5(gateway.mqtt_address(), hello.clone()).await;
        device.send(&[0xe0, 0]).await;
        device.expect_closed().await;
        assert_eq!(states(&kafka, 0), []);
        let (mut device, _) = Device::v5(gateway.mqtt_address(), hello).await;
        device.send(&[0xe0, 1, 4]).await;
        device.expect_closed().await;
        assert_eq!(states(&kafka, 1), [DeviceState::Offline], "reason 4 asks for the will");
    }
}

gateway_test! {
    async fn silence_of_one_and_a_half_keep_alives_ends_the_connection() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let hello = Hello { keep_alive: 1, ..Hello::new("ent-1").with_will(STATUS, "offline") };
        let (mut device, _) = Device::v5(gateway.mqtt_address(), hello).await;
        let begun = Instant::now();
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            device.send(&[0xc0, 0]).await;
            device.expect(&[0xd0, 0]).await;
        }
        assert!(begun.elapsed() > Duration::from_secs(2), "pings keep it open");
        let last_ping = Instant::now();
        assert_eq!(device.expect_closed().await, [0xe0, 1, 0x8d]);
        let silence = last_ping.elapsed();
        assert!(silence > Duration::from_millis(1400) && silence < Duration::from_secs(4), "{silence:?}");
        assert_eq!(states(&kafka, 1), [DeviceState::Offline]);
    }
}

gateway_test! {
    async fn a_client_id_belongs_to_the_connection_that_came_last() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let hello = Hello::new("reader").with_will(STATUS, "offline");
        let mut first = Device::v4(gateway.mqtt_address(), hello.clone()).await;
        let (mut second, _) = Device::v5(gateway.mqtt_address(), hello.clone()).await;
        assert_eq!(first.expect_closed().await, b"");
        let (mut third, _) = Device::v5(gateway.mqtt_address(), hello).await;
        assert_eq!(second.expect_closed().await, [0xe0, 1, 0x8e]);
        third.send(&publish_v5(STATUS, 1, 1, b"online", None)).await;
        third.expect(&puback(1)).await;
        let expected = [DeviceState::Offline, DeviceState::Offline, DeviceState::Online];
        assert_eq!(states(&kafka, 3), expected, "the wills come before the newcomer's word");
    }
}

gateway_test! {
    async fn a_subscription_is_refused_and_the_connection_stays() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("a")).await;
        device.send(b"\x82\x0a\x00\x05\x00\x01#\x00\x00\x01x\x01").await;
        device.expect(&[0x90, 4, 0, 5, 0x80, 0x80]).await;
        device.send(b"\xa2\x05\x00\x06\x00\x01#").await;
        device.expect(&[0xb0, 2, 0, 6]).await;
        let (mut device, announced) = Device::v5(gateway.mqtt_address(), Hello::new("b")).await;
        assert_eq!(announced.wildcard_subscription_available, Some(0));
        device.send(b"\x82\x07\x00\x05\x00\x00\x01#\x00").await;
        let v5::Packet::SubAck(suback) = device.packet_v5().await else { panic!("no SUBACK") };
        assert_eq!(suback.return_codes, [v5::SubscribeReasonCode::ImplementationSpecific]);
        assert!(suback.properties.unwrap().reason_string.unwrap().contains("delivers nothing"));
        device.send(&publish_v5(STATUS, 1, 1, b"online", None)).await;
        device.expect(&puback(1)).await;
    }
}

gateway_test! {
    async fn an_mqtt_5_client_that_exceeds_the_receive_maximum_is_told_to_leave() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &["--receive-maximum", "3"]).await;
        let (mut device, _) = Device::v5(gateway.mqtt_address(), Hello::new("a")).await;
        kafka.go_away();
        for pkid in 1..=4 {
            device.send(&publish_v5(STATUS, 1, pkid, b"online", None)).await;
        }
        assert_eq!(device.expect_closed().await, [0xe0, 1, 0x93]);
        kafka.come_back();
    }
}

gateway_test! {
    async fn exactly_once_repeats_its_answers() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("a")).await;
        for _ in 0..2 {
            device.publish("footfall/main/ent-1/positions", 2, 9, position("t", 1)).await;
            device.expect(&[0x50, 2, 0, 9]).await;
        }
        for _ in 0..2 {
            device.send(&[0x62, 2, 0, 9]).await;
            device.expect(&[0x70, 2, 0, 9]).await;
        }
        assert_eq!(kafka.events(1).len(), 1, "the repeat was recognised");
        let (mut device, _) = Device::v5(gateway.mqtt_address(), Hello::new("b")).await;
        device.send(&[0x62, 2, 0, 9]).await;
        device.expect(&[0x70, 4, 0, 9, 0x92, 0]).await;
    }
}

gateway_test! {
    async fn a_connection_beyond_the_limit_is_closed_and_the_others_stay() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &["--connections-max", "2"]).await;
        let mut first = Device::v4(gateway.mqtt_address(), Hello::new("a")).await;
        let second = Device::v4(gateway.mqtt_address(), Hello::new("b")).await;
        let mut third = Device::open(gateway.mqtt_address()).await;
        assert_eq!(third.expect_closed().await, b"");
        first.send(&[0xc0, 0]).await;
        first.expect(&[0xd0, 0]).await;
        drop(second);
        let begun = Instant::now();
        loop {
            let mut device = Device::open(gateway.mqtt_address()).await;
            device.send(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c").await;
            if device.expect_closed_or(&[0x20, 2, 0, 0]).await {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "a place is free again");
        }
    }
}

gateway_test! {
    async fn the_admin_server_tells_metrics_and_readiness() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let kafka = Kafka::start();
        let gateway = start(&kafka, &["--tick-interval", "100ms"]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("a")).await;
        device.publish(STATUS, 1, 1, "online").await;
        device.expect(&puback(1)).await;
        eventually("ticks are counted", || metric("footfall_gateway_ticks_total") > 0.0).await;
        let mut admin = tokio::net::TcpStream::connect(gateway.admin_address().unwrap()).await.unwrap();
        admin.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        admin.read_to_string(&mut text).await.unwrap();
        for name in [
            "footfall_gateway_connections ",
            "footfall_gateway_connects_total{result=\"accepted\"}",
            "footfall_gateway_publishes_total{qos=\"1\"}",
            "footfall_gateway_events_total",
            "footfall_gateway_rejected_total{reason=\"bad_json\"}",
            "footfall_gateway_puback_seconds_bucket{le=\"0.05\"}",
            "footfall_gateway_inflight ",
            "footfall_gateway_inflight_ratio",
            "footfall_gateway_produce_queue",
            "footfall_gateway_ticks_total",
        ] {
            assert!(text.contains(name), "{name} in {text}");
        }
        assert!(gateway.health().ready().0);
    }
}
