//! What is acknowledged is in Kafka, in every quality of service and both versions.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::canary::Canary;
use domain::event::{Body, DeviceState, TimeSource};
use domain::topic::partition_of;
use rumqttc::v5::mqttbytes::v5;
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};

use crate::device::{Device, Hello, position, puback, publish_v4, publish_v5};
use crate::kafka::{Kafka, PARTITIONS};
use crate::{gateway_test, metric, start};

const TOPIC: &str = "footfall/main/ent-1/positions";

gateway_test! {
    async fn a_publish_is_acknowledged_when_kafka_has_it() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        let payload = r#"{"traveler_id":"t-1","x":1.5,"y":2.5,"timestamp":"2025-03-19T09:05:12Z"}"#;
        device.publish(TOPIC, 1, 7, payload).await;
        device.expect(&puback(7)).await;
        let record = kafka.events(1).remove(0);
        assert_eq!(record.key, "ent-1");
        assert_eq!(record.partition, partition_of("ent-1", PARTITIONS));
        let event = record.event();
        assert_eq!(event.device.as_str(), "ent-1");
        assert_eq!((event.event_time.to_string().as_str(), event.time_source), ("2025-03-19T09:05:12Z", TimeSource::Device));
        assert_eq!(record.header("received_at"), Some(event.received_at.to_string().as_str()));
        assert_eq!(record.header("traceparent"), None);
        let Body::Position(body) = event.body else { panic!("{event:?}") };
        assert_eq!((body.traveler.as_str(), body.x, body.y), ("t-1", 1.5, 2.5));
    }
}

gateway_test! {
    async fn every_quality_of_service_reaches_kafka() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        device.publish(TOPIC, 0, 0, position("zero", 0)).await;
        device.publish(TOPIC, 1, 1, position("one", 1)).await;
        device.publish(TOPIC, 2, 2, position("two", 2)).await;
        device.expect(&puback(1)).await;
        device.expect(&[0x50, 2, 0, 2]).await;
        device.send(&[0x62, 2, 0, 2]).await;
        device.expect(&[0x70, 2, 0, 2]).await;
        assert_eq!(kafka.events(3).len(), 3);
    }
}

gateway_test! {
    async fn an_array_is_acknowledged_as_one_and_kept_in_order() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        let elements: Vec<String> = (0..500).map(|n| position(&format!("t-{n}"), n)).collect();
        device.publish(TOPIC, 1, 1, format!("[{}]", elements.join(","))).await;
        device.publish(TOPIC, 1, 2, "[]").await;
        device.expect(&puback(1)).await;
        device.expect(&puback(2)).await;
        let travelers: Vec<String> = kafka
            .events(500)
            .iter()
            .map(|record| match record.event().body {
                Body::Position(body) => body.traveler.0,
                other => panic!("{other:?}"),
            })
            .collect();
        let expected: Vec<String> = (0..500).map(|n| format!("t-{n}")).collect();
        assert_eq!(travelers, expected);
    }
}

gateway_test! {
    async fn acknowledgements_come_in_the_order_of_receipt_over_all_partitions() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("hub")).await;
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for pkid in 1..=3000_u16 {
            let topic = format!("footfall/main/ent-{}/positions", pkid % 61);
            bytes.extend_from_slice(&publish_v4(&topic, 1, pkid, position("t", pkid.into()).as_bytes()));
            expected.extend_from_slice(&puback(pkid));
        }
        device.send(&bytes).await;
        device.expect(&expected).await;
        let events = kafka.events(3000);
        assert!((0..PARTITIONS).all(|partition| events.iter().any(|record| record.partition == partition)));
    }
}

gateway_test! {
    async fn mqtt_5_brings_aliases_and_trace_context() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &["--topic-alias-maximum", "3", "--receive-maximum", "17"]).await;
        let (mut device, announced) = Device::v5(gateway.mqtt_address(), Hello::new("ent-1")).await;
        assert_eq!(announced.topic_alias_max, Some(3));
        assert_eq!(announced.receive_max, Some(17));
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let properties = v5::PublishProperties {
            topic_alias: Some(2),
            user_properties: vec![("traceparent".to_owned(), trace.to_owned())],
            ..v5::PublishProperties::default()
        };
        device.send(&publish_v5(TOPIC, 1, 1, position("a", 1).as_bytes(), Some(properties))).await;
        device.expect(&puback(1)).await;
        let alias = v5::PublishProperties { topic_alias: Some(2), ..v5::PublishProperties::default() };
        device.send(&publish_v5("", 2, 2, position("b", 2).as_bytes(), Some(alias))).await;
        device.expect(&[0x50, 2, 0, 2]).await;
        let events = kafka.events(2);
        assert_eq!(events[0].header("traceparent"), Some(trace));
        assert_eq!(events[1].header("traceparent"), None);
        assert_eq!(events[1].key, "ent-1", "the alias stood for the topic");
    }
}

gateway_test! {
    async fn a_status_may_be_the_bare_word() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        device.publish("footfall/main/ent-1/status", 1, 1, "online").await;
        device.expect(&puback(1)).await;
        let Body::Status(status) = kafka.events(1)[0].event().body else { panic!() };
        assert_eq!(status.state, DeviceState::Online);
    }
}

gateway_test! {
    async fn a_route_table_reads_other_topics() {
        let kafka = Kafka::start();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "[[route]]\ntopic = \"shop/+/{device}\"\ndecoder = \"native\"\nkind = \"positions\"\nunit = \"cm\"\n").unwrap();
        let gateway = start(&kafka, &["--routes", file.path().to_str().unwrap()]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("hub")).await;
        device.publish("shop/uwb/till-3", 1, 1, position("t", 1)).await;
        device.expect(&puback(1)).await;
        let record = kafka.events(1).remove(0);
        assert_eq!(record.key, "till-3");
        let Body::Position(body) = record.event().body else { panic!() };
        assert_eq!(body.x, 0.015);
    }
}

gateway_test! {
    async fn every_partition_gets_ticks() {
        let kafka = Kafka::start();
        let _gateway = start(&kafka, &["--tick-interval", "200ms"]).await;
        let ticks = kafka.ticks(2 * PARTITIONS as usize);
        for partition in 0..PARTITIONS {
            let of_partition: Vec<_> = ticks.iter().filter(|tick| tick.partition == partition).collect();
            assert!(of_partition.len() >= 2, "partition {partition}");
            assert_eq!(of_partition[0].key, "");
            assert!(of_partition[0].event().event_time < of_partition[1].event().event_time);
        }
    }
}

/// A client that was written by others, with version 3.1.1.
async fn publish_with_rumqttc(address: std::net::SocketAddr, count: usize) {
    let mut options = MqttOptions::new("others", "127.0.0.1", address.port());
    options
        .set_keep_alive(Duration::from_secs(5))
        .set_inflight(50);
    let (client, mut events) = AsyncClient::new(options, 100);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        for n in 0..count {
            let payload = position("t", n);
            client
                .publish(TOPIC, QoS::AtLeastOnce, false, payload)
                .await
                .unwrap();
        }
        std::future::pending::<()>().await;
    });
    let mut acknowledged = 0;
    while acknowledged < count {
        if let Event::Incoming(Incoming::PubAck(_)) = events.poll().await.unwrap() {
            acknowledged += 1;
        }
    }
}

gateway_test! {
    async fn a_client_written_by_others_gets_every_acknowledgement() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let publishing = publish_with_rumqttc(gateway.mqtt_address(), 300);
        tokio::time::timeout(Duration::from_secs(30), publishing).await.unwrap();
        assert_eq!(kafka.events(300).len(), 300);
    }
}

gateway_test! {
    async fn a_client_of_mqtt_5_written_by_others_gets_every_acknowledgement() {
        use rumqttc::v5::mqttbytes::v5::Packet;
        use rumqttc::v5::{AsyncClient, Event, MqttOptions};
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let options = MqttOptions::new("others", "127.0.0.1", gateway.mqtt_address().port());
        let (client, mut events) = AsyncClient::new(options, 100);
        for n in 0..80 {
            let qos = if n % 2 == 0 { rumqttc::v5::mqttbytes::QoS::AtLeastOnce } else { rumqttc::v5::mqttbytes::QoS::ExactlyOnce };
            client.try_publish(TOPIC, qos, false, position("t", n)).unwrap();
        }
        let mut acknowledged = 0;
        while acknowledged < 80 {
            let event = tokio::time::timeout(Duration::from_secs(15), events.poll()).await.unwrap();
            if let Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) = event.unwrap() {
                acknowledged += 1;
            }
        }
        assert_eq!(kafka.events(80).len(), 80);
    }
}

gateway_test! {
    async fn a_canary_counts_its_rounds_in_every_partition_and_each_gateway_has_its_own() {
        let kafka = Kafka::start();
        let _first = start(&kafka, &["--tick-interval", "100ms"]).await;
        let _second = start(&kafka, &["--tick-interval", "100ms"]).await;
        let mut canaries: BTreeMap<(i32, String), Vec<u64>> = BTreeMap::new();
        for tick in kafka.ticks(8 * PARTITIONS as usize) {
            let canary = Canary::of(&tick.event()).unwrap();
            let key = (tick.partition, canary.gateway.0);
            canaries.entry(key).or_default().push(canary.sequence);
        }
        assert!(canaries.len() >= 2 * PARTITIONS as usize, "{canaries:?}");
        for ((partition, gateway), sequence) in canaries {
            let expected: Vec<u64> = (1..).take(sequence.len()).collect();
            assert_eq!(sequence, expected, "partition {partition}, {gateway}");
        }
    }
}

gateway_test! {
    async fn what_kafka_confirmed_is_counted_by_partition() {
        let kafka = Kafka::start();
        let gateway = start(&kafka, &[]).await;
        let mut device = Device::v4(gateway.mqtt_address(), Hello::new("ent-1")).await;
        let letters = || metric(r#"footfall_gateway_acked_records_total{topic="dead-letters",partition="0"}"#);
        let before = letters();
        for pkid in 1..=5 {
            device.publish(TOPIC, 1, pkid, "no json").await;
            device.expect(&puback(pkid)).await;
        }
        // Other tests of this process write dead letters too.
        assert!(letters() >= before + 5.0, "{before} and then {}", letters());
    }
}
