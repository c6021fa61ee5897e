//! Leaving: what is owed is acknowledged first, and what cannot be is not.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::device::{Device, Hello, position, puback, publish_v5};
use crate::kafka::Kafka;
use crate::{gateway_test, start_until};

const TOPIC: &str = "footfall/main/ent-1/positions";

gateway_test! {
    async fn everything_owed_is_acknowledged_before_leaving() {
        let kafka = Kafka::start();
        let shutdown = CancellationToken::new();
        // Records linger for a second, so they are all owed when the shutdown comes.
        let gateway = start_until(&kafka, &["--linger", "1s"], shutdown.clone()).await;
        let address = gateway.mqtt_address();
        let hello = Hello::new("a").with_will("footfall/main/ent-1/status", "offline");
        let mut old = Device::v4(address, hello.clone()).await;
        let (mut new, _) = Device::v5(address, Hello { client_id: "b", ..hello }).await;
        let mut silent = Device::open(address).await;
        for pkid in 1..=100 {
            old.publish(TOPIC, 1, pkid, position("t", pkid.into())).await;
            new.send(&publish_v5(TOPIC, 1, pkid, position("u", pkid.into()).as_bytes(), None)).await;
        }
        old.send(&[0xc0, 0]).await;
        old.expect(&[0xd0, 0]).await;
        new.send(&[0xc0, 0]).await;
        new.expect(&[0xd0, 0]).await;
        shutdown.cancel();
        timeout(Duration::from_secs(10), gateway.stopped()).await.unwrap().unwrap();
        let acknowledged: Vec<u8> = (1..=100).flat_map(puback).collect();
        assert_eq!(old.expect_closed().await, acknowledged);
        let told: Vec<u8> = acknowledged.into_iter().chain([0xe0, 1, 0x8b]).collect();
        assert_eq!(new.expect_closed().await, told);
        assert_eq!(silent.expect_closed().await, b"");
        assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
        assert_eq!(kafka.events(200).len(), 200, "and no will: the devices only move on");
    }
}

gateway_test! {
    async fn a_shutdown_without_kafka_acknowledges_nothing_and_says_so() {
        let kafka = Kafka::start();
        let shutdown = CancellationToken::new();
        let gateway = start_until(&kafka, &["--shutdown-timeout", "1s"], shutdown.clone()).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("a")).await;
        device.publish(TOPIC, 1, 1, position("t", 1)).await;
        device.expect(&puback(1)).await;
        kafka.go_away();
        device.publish(TOPIC, 1, 2, position("t", 2)).await;
        device.expect_silence().await;
        shutdown.cancel();
        let stopped = timeout(Duration::from_secs(10), gateway.stopped()).await.unwrap();
        let reason = stopped.unwrap_err().to_string();
        assert!(reason.contains("Kafka did not take") && reason.contains("1 connections"), "{reason}");
        assert_eq!(device.expect_closed().await, b"");
    }
}

gateway_test! {
    async fn an_idle_gateway_leaves_at_once() {
        let kafka = Kafka::start();
        let shutdown = CancellationToken::new();
        let gateway = start_until(&kafka, &[], shutdown.clone()).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("a")).await;
        shutdown.cancel();
        timeout(Duration::from_secs(3), gateway.stopped()).await.unwrap().unwrap();
        assert_eq!(device.expect_closed().await, b"");
    }
}
