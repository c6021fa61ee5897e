//! Kafka away: nothing is acknowledged, nothing refused, nothing lost, and memory stays within its bound.

use std::time::Duration;

use chassis::clock::Clock;
use gateway::Gateway;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::device::{Device, Hello, position, puback, publish_v4};
use crate::kafka::{Kafka, PARTITIONS};
use crate::{config, eventually, gateway_test, metric, start};

const TOPIC: &str = "footfall/main/ent-1/positions";

gateway_test! {
    async fn no_acknowledgement_while_kafka_is_away_and_all_of_them_after() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        device.publish(TOPIC, 1, 1, position("t", 1)).await;
        device.expect(&puback(1)).await;
        kafka.go_away();
        for pkid in 2..=50 {
            device.publish(TOPIC, 1, pkid, position("t", pkid.into())).await;
        }
        device.expect_silence().await;
        device.send(&[0xc0, 0]).await;
        device.expect(&[0xd0, 0]).await;
        kafka.come_back();
        for pkid in 2..=50 {
            device.expect(&puback(pkid)).await;
        }
        assert_eq!(kafka.events(50).len(), 50, "each once");
    }
}

gateway_test! {
    async fn a_full_budget_stops_the_reading_and_loses_nothing() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &["--inflight-bytes-max", "4194304", "--receive-maximum", "65535"]).await;
        let device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        kafka.go_away();
        let count = 30_000_u16;
        let mut bytes = Vec::new();
        for pkid in 1..=count {
            bytes.extend_from_slice(&publish_v4(TOPIC, 1, pkid, position("t", pkid.into()).as_bytes()));
        }
        // Two megabytes of publishes are twenty of records: the socket takes what the kernel buffers, and then no more.
        let (mut reader, mut writer) = device.stream.into_split();
        let mut sending = tokio::task::JoinSet::new();
        sending.spawn(async move {
            writer.write_all(&bytes).await.unwrap();
            writer
        });
        eventually("the budget is nearly full", || !gateway.health().ready().0).await;
        assert!(gateway.health().ready().1.contains("reading is paused"), "{}", gateway.health().ready().1);
        kafka.come_back();
        let mut acknowledged = vec![0; 4 * usize::from(count)];
        let reading = tokio::io::AsyncReadExt::read_exact(&mut reader, &mut acknowledged);
        timeout(Duration::from_secs(60), reading).await.unwrap().unwrap();
        let expected: Vec<u8> = (1..=count).flat_map(puback).collect();
        assert!(acknowledged == expected, "in order, each once");
        assert_eq!(kafka.events(count.into()).len(), usize::from(count));
        eventually("it is ready again", || gateway.health().ready().0).await;
    }
}

gateway_test! {
    async fn the_window_of_a_connection_bounds_what_it_can_have_unconfirmed() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &["--receive-maximum", "5"]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        kafka.go_away();
        for pkid in 1..=6 {
            device.publish(TOPIC, 1, pkid, position("t", pkid.into())).await;
        }
        device.send(&[0xc0, 0]).await;
        device.expect_silence().await;
        kafka.come_back();
        for pkid in 1..=5 {
            device.expect(&puback(pkid)).await;
        }
        // The sixth publish and the ping behind it were read when there was room.
        device.expect(&[0xd0, 0]).await;
        device.expect(&puback(6)).await;
    }
}

gateway_test! {
    async fn nothing_listens_before_kafka_names_its_partitions() {
        let kafka = Kafka::without_topics();
        kafka.go_away();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let config = config(&kafka, &["--mqtt-bind", &address.to_string()]);
        let shutdown = CancellationToken::new();
        let mut starting = tokio::task::JoinSet::new();
        starting.spawn(Gateway::start(config, Clock::System, shutdown.clone()));
        assert!(timeout(Duration::from_secs(1), starting.join_next()).await.is_err(), "it waits");
        assert!(TcpStream::connect(address).await.is_err(), "the listener is not open");
        kafka.create_topics();
        kafka.come_back();
        let started = timeout(Duration::from_secs(30), starting.join_next()).await.unwrap();
        let gateway = started.unwrap().unwrap().unwrap().unwrap();
        assert!(gateway.health().ready().0);
        drop(Device::v4(gateway.mqtt_address(), Hello::new("a")).await);
    }
}

gateway_test! {
    async fn a_taken_address_is_noticed_before_kafka_is_there() {
        let kafka = Kafka::without_topics();
        kafka.go_away();
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap().to_string();
        let starting = Gateway::start(
            config(&kafka, &["--mqtt-bind", &address]),
            Clock::System,
            CancellationToken::new(),
        );
        let refused = timeout(Duration::from_secs(5), starting).await.unwrap().unwrap_err();
        assert!(refused.to_string().contains("for the gateway is taken by"), "{refused}");
    }
}

gateway_test! {
    async fn a_kafka_that_confirms_nothing_makes_a_quiet_gateway_unready() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &["--tick-interval", "1s"]).await;
        assert!(gateway.health().ready().0);
        kafka.go_away();
        eventually("it says so", || gateway.health().ready().1.contains("has confirmed nothing")).await;
        assert!(!gateway.health().ready().0);
        kafka.come_back();
        eventually("it is ready again", || gateway.health().ready().0).await;
    }
}

gateway_test! {
    async fn a_publish_that_waits_for_memory_is_taken_whole_and_counted_once() {
        const ELEMENTS: usize = 10_000;
        let kafka = Kafka::start();
        let gateway = start(&kafka, &["--inflight-bytes-max", "4194304"]).await;
        kafka.go_away();
        let before = metric("footfall_gateway_rejected_total{reason=\"unknown_shape\"}");
        let garbage = format!("[{}0]", "0,".repeat(ELEMENTS - 1));
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        for pkid in 1..=3 {
            device.publish(TOPIC, 1, pkid, &garbage).await;
        }
        device.expect_silence().await;
        kafka.come_back();
        for pkid in 1..=3 {
            device.expect(&puback(pkid)).await;
        }
        assert_eq!(kafka.letters(3 * ELEMENTS).len(), 3 * ELEMENTS);
        let counted = metric("footfall_gateway_rejected_total{reason=\"unknown_shape\"}") - before;
        // Other tests of this process reject single messages meanwhile, never thousands.
        assert!((counted - 3.0 * 10_000.0).abs() < 5_000.0, "{counted}");
    }
}

gateway_test! {
    async fn waiting_for_kafka_ends_with_the_shutdown() {
        let kafka = Kafka::without_topics();
        kafka.go_away();
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let started = Gateway::start(config(&kafka, &[]), Clock::System, shutdown);
        let started = timeout(Duration::from_secs(20), started).await.unwrap().unwrap();
        assert!(started.is_none());
    }
}

gateway_test! {
    async fn a_record_that_kafka_refuses_for_good_is_not_acknowledged_and_can_be_sent_again() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
        device.publish(TOPIC, 1, 1, position("t", 1)).await;
        device.expect(&puback(1)).await;
        kafka.ticks(PARTITIONS as usize);
        kafka.cluster.request_errors(RDKafkaApiKey::Produce, &[refusal]);
        device.publish(TOPIC, 1, 2, position("t", 2)).await;
        assert_eq!(device.expect_closed().await, b"", "no acknowledgement");
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        device.publish(TOPIC, 1, 2, position("t", 2)).await;
        device.expect(&puback(2)).await;
        assert_eq!(kafka.events(2).len(), 2);
    }
}

gateway_test! {
    async fn ticks_go_on_after_one_was_refused() {
        let kafka = Kafka::start();
        let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
        kafka.cluster.request_errors(RDKafkaApiKey::Produce, &[refusal]);
        let _gateway = start(&kafka, &["--tick-interval", "100ms"]).await;
        assert!(kafka.ticks(3 * PARTITIONS as usize).len() >= 3 * PARTITIONS as usize);
    }
}

gateway_test! {
    async fn retriable_errors_only_delay() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        device.publish(TOPIC, 1, 1, position("t", 1)).await;
        device.expect(&puback(1)).await;
        kafka.cluster.request_errors(
            RDKafkaApiKey::Produce,
            &[
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
            ],
        );
        for pkid in 2..=200 {
            device.publish(TOPIC, 1, pkid, position("t", pkid.into())).await;
        }
        for pkid in 2..=200 {
            device.expect(&puback(pkid)).await;
        }
        assert_eq!(kafka.events(200).len(), 200);
    }
}

gateway_test! {
    async fn a_producer_that_fails_for_good_ends_the_gateway() {
        let kafka = Kafka::start();
        let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
        kafka.cluster.request_errors(RDKafkaApiKey::InitProducerId, &[refusal; 20]);
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        device.publish(TOPIC, 1, 1, position("t", 1)).await;
        let stopped = timeout(Duration::from_secs(20), gateway.stopped()).await.unwrap();
        let reason = stopped.unwrap_err().to_string();
        assert!(reason.contains("the Kafka producer failed for good"), "{reason}");
        assert_eq!(device.expect_closed().await, b"", "no acknowledgement");
    }
}
