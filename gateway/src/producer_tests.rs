use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::{Offset, TopicPartitionList};

use super::*;
use crate::budget::Budget;
use crate::signal::Signal;

const PATIENCE: Duration = Duration::from_secs(15);

/// Sends the records `numbers` to the first partition, one publish each, waiting while there is no room.
fn send_all(producer: &Producer, numbers: impl Iterator<Item = u32>) {
    let budget = Arc::new(Budget::new(1 << 30));
    let signal = Arc::new(Signal::new(budget));
    for number in numbers {
        let record = Record {
            stream: Stream::Movements,
            partition: 0,
            key: String::new(),
            value: number.to_be_bytes().to_vec(),
        };
        let mut batch = Batch {
            reversed: vec![record],
            headers: Some(headers("", None)),
            slot: Arc::new(Slot::new(1, 0, Arc::clone(&signal))),
        };
        while producer.send(&mut batch).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The first copies of the records of the first partition, in the order in which Kafka has them.
fn first_copies(kafka: &str, count: usize) -> Vec<u32> {
    let mut partition = TopicPartitionList::new();
    partition
        .add_partition_offset(topic::SENSOR_MOVEMENTS, 0, Offset::Beginning)
        .unwrap();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("group.id", "test")
        .create()
        .unwrap();
    consumer.assign(&partition).unwrap();
    let mut found: Vec<u32> = Vec::new();
    while found.len() < count {
        let record = consumer
            .poll(PATIENCE)
            .expect("Kafka has them all")
            .unwrap();
        let number = u32::from_be_bytes(record.payload().unwrap().try_into().unwrap());
        if !found.contains(&number) {
            found.push(number);
        }
    }
    found
}

#[test]
fn records_keep_their_order_when_a_new_client_takes_over() {
    const COUNT: u32 = 3_000;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(topic::SENSOR_MOVEMENTS, 1, 1).unwrap();
    let kafka = KafkaArgs {
        kafka: cluster.bootstrap_servers(),
        topic_prefix: String::new(),
    };
    let mut settings = kafka.producer("test", Duration::from_millis(2));
    // Many requests, so that some are on their way and others wait when the client is left.
    settings.set("batch.num.messages", "20");
    let metrics = Arc::new(Metrics::new());
    let producer = Producer::with_settings(&settings, &kafka, metrics).unwrap();
    send_all(&producer, 0..500);
    producer.flush(PATIENCE).unwrap();
    cluster
        .broker_round_trip_time(1, Duration::from_secs(1))
        .unwrap();
    send_all(&producer, 500..1000);
    thread::sleep(Duration::from_millis(100));
    thread::scope(|scope| {
        scope.spawn(|| send_all(&producer, 1000..COUNT));
        thread::sleep(Duration::from_millis(5));
        producer.renew().unwrap();
    });
    cluster.broker_round_trip_time(1, Duration::ZERO).unwrap();
    producer.flush(PATIENCE).unwrap();
    let found = first_copies(&kafka.kafka, COUNT as usize);
    let expected: Vec<u32> = (0..COUNT).collect();
    let differs = found
        .iter()
        .zip(&expected)
        .position(|(found, expected)| found != expected);
    assert_eq!(
        differs,
        None,
        "{:?}",
        differs.map(|at| &found[at..(at + 10).min(found.len())])
    );
}
