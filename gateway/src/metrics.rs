//! What the gateway counts. Names are constants with a sentence each; labels come from closed enums.
//!
//! Handles are looked up once and held, because a lookup for every event would cost more than reading the event.

use domain::rejection::Reason;
use metrics::{Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, gauge};
use metrics::{describe_histogram, histogram};

use crate::close::Close;
use crate::packet::{Qos, Refusal};

/// Open MQTT connections.
pub const CONNECTIONS: &str = "footfall_gateway_connections";
/// CONNECT packets answered and connections that never sent a usable one, by `result`.
pub const CONNECTS: &str = "footfall_gateway_connects_total";
/// Connections that ended, by `reason`.
pub const DISCONNECTS: &str = "footfall_gateway_disconnects_total";
/// PUBLISH packets taken in, by `qos`.
pub const PUBLISHES: &str = "footfall_gateway_publishes_total";
/// Wills published because a connection broke.
pub const WILLS: &str = "footfall_gateway_wills_total";
/// Events decoded from publishes.
pub const EVENTS: &str = "footfall_gateway_events_total";
/// Messages and elements sent to dead letters, by `reason`.
pub const REJECTED: &str = "footfall_gateway_rejected_total";
/// From the receipt of a PUBLISH of `QoS` 1 or 2 to its PUBACK or PUBREC; publishes that were read together and
/// acknowledged together are one observation.
pub const PUBACK_SECONDS: &str = "footfall_gateway_puback_seconds";
/// Publishes taken in whose records Kafka has not all confirmed.
pub const INFLIGHT: &str = "footfall_gateway_inflight";
/// Share of the memory for unconfirmed records that is in use, 0 to 1.
pub const INFLIGHT_RATIO: &str = "footfall_gateway_inflight_ratio";
/// Records that librdkafka holds.
pub const PRODUCE_QUEUE: &str = "footfall_gateway_produce_queue";
/// Records that Kafka refused for good, by `code`; their publishes are not acknowledged.
pub const DELIVERY_FAILURES: &str = "footfall_gateway_kafka_delivery_failures_total";
/// Kafka clients replaced because they had lost every address of Kafka.
pub const CLIENTS_RENEWED: &str = "footfall_gateway_kafka_clients_renewed_total";
/// Tick records confirmed by Kafka.
pub const TICKS: &str = "footfall_gateway_ticks_total";
/// The newest round of ticks that Kafka has confirmed in every partition: this process's canary.
pub const CANARY: &str = "footfall_gateway_canary_sequence";
/// Records that Kafka has confirmed, by `topic` and `partition`: what the consumers have to account for.
pub const ACKED: &str = "footfall_gateway_acked_records_total";

/// The handles of the metrics that move often.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) connections: Gauge,
    pub(crate) wills: Counter,
    pub(crate) events: Counter,
    pub(crate) puback_seconds: Histogram,
    pub(crate) inflight: Gauge,
    pub(crate) inflight_ratio: Gauge,
    pub(crate) produce_queue: Gauge,
    pub(crate) ticks: Counter,
    pub(crate) canary: Gauge,
    pub(crate) clients_renewed: Counter,
    pub(crate) connects_accepted: Counter,
    publishes: [Counter; 3],
    rejected: [Counter; Reason::ALL.len()],
}

impl Metrics {
    pub(crate) fn new() -> Self {
        describe();
        Self {
            connections: gauge!(CONNECTIONS),
            wills: counter!(WILLS),
            events: counter!(EVENTS),
            puback_seconds: histogram!(PUBACK_SECONDS),
            inflight: gauge!(INFLIGHT),
            inflight_ratio: gauge!(INFLIGHT_RATIO),
            produce_queue: gauge!(PRODUCE_QUEUE),
            ticks: counter!(TICKS),
            canary: gauge!(CANARY),
            clients_renewed: counter!(CLIENTS_RENEWED),
            connects_accepted: counter!(CONNECTS, "result" => "accepted"),
            publishes: ["0", "1", "2"].map(|qos| counter!(PUBLISHES, "qos" => qos)),
            rejected: Reason::ALL.map(|reason| counter!(REJECTED, "reason" => reason.as_str())),
        }
    }

    pub(crate) fn publishes(&self, qos: Qos) -> &Counter {
        &self.publishes[qos as usize]
    }

    pub(crate) fn rejected(&self, reason: Reason) -> &Counter {
        let position = Reason::ALL.iter().position(|&known| known == reason);
        &self.rejected[position.expect("the list of reasons is complete")]
    }

    /// A CONNECT was refused.
    pub(crate) fn connect_refused(&self, refusal: Refusal) {
        counter!(CONNECTS, "result" => refusal.as_str()).increment(1);
    }

    /// A connection ended before its CONNECT was answered.
    pub(crate) fn connect_failed(&self, close: Close) {
        counter!(CONNECTS, "result" => close.as_str()).increment(1);
    }

    /// A connection ended.
    pub(crate) fn disconnected(&self, close: Close) {
        counter!(DISCONNECTS, "reason" => close.as_str()).increment(1);
    }

    /// The counter of what Kafka has confirmed in a partition.
    pub(crate) fn acked(topic: &str, partition: i32) -> Counter {
        counter!(ACKED, "topic" => topic.to_owned(), "partition" => partition.to_string())
    }

    /// Kafka refused a record for good.
    pub(crate) fn delivery_failed(&self, code: String) {
        counter!(DELIVERY_FAILURES, "code" => code).increment(1);
    }
}

fn describe() {
    describe_gauge!(CONNECTIONS, "Open MQTT connections");
    describe_counter!(CONNECTS, "CONNECT packets by result");
    describe_counter!(DISCONNECTS, "Ended connections by reason");
    describe_counter!(PUBLISHES, "PUBLISH packets taken in");
    describe_counter!(WILLS, "Wills published because a connection broke");
    describe_counter!(EVENTS, "Events decoded");
    describe_counter!(REJECTED, "Messages and elements sent to dead letters");
    describe_histogram!(
        PUBACK_SECONDS,
        Unit::Seconds,
        "From the receipt of a PUBLISH to its acknowledgement"
    );
    describe_gauge!(INFLIGHT, "Publishes that Kafka has not confirmed");
    describe_gauge!(
        INFLIGHT_RATIO,
        "Share of the memory for unconfirmed records in use"
    );
    describe_gauge!(PRODUCE_QUEUE, "Records that the Kafka client holds");
    describe_counter!(DELIVERY_FAILURES, "Records that Kafka refused for good");
    describe_counter!(
        CLIENTS_RENEWED,
        "Kafka clients replaced because they had lost every address"
    );
    describe_counter!(TICKS, "Tick records confirmed by Kafka");
    describe_gauge!(CANARY, "Newest round of ticks confirmed in every partition");
    describe_counter!(ACKED, "Records confirmed by Kafka");
}
