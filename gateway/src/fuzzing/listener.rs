//! Several devices, Kafka's confirmations and the clock in any order, through the connection itself: only sockets and
//! librdkafka are played. What devices may expect is judged by the oracle.

mod device;

use std::time::Duration;

use arbitrary::{Result as Script, Unstructured};
use chassis::clock::Clock;
use chassis::kafka::KafkaArgs;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::budget::Budget;
use crate::fuzzing::oracle::Unconfirmed;
use crate::fuzzing::{Tray, wire};
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::packet::Qos;
use crate::producer::{Partitions, Producer};
use crate::registry::Registry;
use crate::route::RouteTable;
use crate::session::{self, Limits};
use crate::shared::Timeouts;
use device::Device;

const STEPS_MAX: usize = 300;
const RECEIVE_MAXIMUM: u16 = 3;
/// Room for about six records, so that memory is waited for.
const BUDGET_BYTES: u32 = 4000;
const CLIENT_IDS: [&str; 3] = ["reader", "reader", "other"];

thread_local! {
    static STAGE: (Runtime, Arc<Shared>) = stage();
}

/// See the module.
pub fn mqtt_listener(data: &[u8]) {
    STAGE.with(|(runtime, shared)| {
        runtime.block_on(async {
            let mut scene = Scene::new(shared);
            let mut script = Unstructured::new(data);
            for _ in 0..STEPS_MAX {
                if script.is_empty() || scene.step(&mut script).await.is_err() {
                    break;
                }
            }
            scene.end();
        });
    });
}

/// What all connections share, with a clock that is moved by hand.
fn stage() -> (Runtime, Arc<Shared>) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let metrics = Arc::new(Metrics::new());
    let kafka = KafkaArgs {
        kafka: String::new(),
        topic_prefix: String::new(),
    };
    let settings = kafka.producer("fuzz", Duration::ZERO);
    let mut producer = Producer::with_settings(&settings, &kafka, Arc::clone(&metrics))
        .expect("a client without an address is made");
    producer.tray = Some(Tray::new());
    let shared = Shared {
        clock: Clock::fixed(Micros(1_742_375_113_000_000)),
        limits: Limits {
            receive_maximum: RECEIVE_MAXIMUM,
            topic_alias_maximum: 0,
            topic_bytes_max: 64,
            packet_bytes_max: 512,
        },
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            packet: Duration::from_secs(5),
        },
        intake: Intake::new(
            RouteTable::native(),
            Partitions {
                movements: 6,
                dead_letters: 1,
            },
            wire::PAYLOAD_BYTES_MAX,
            Arc::clone(&metrics),
        ),
        producer,
        budget: Arc::new(Budget::new(BUDGET_BYTES)),
        registry: Arc::new(Registry::default()),
        metrics,
    };
    (
        runtime.expect("a runtime of one thread is made"),
        Arc::new(shared),
    )
}

/// The devices, and what Kafka owes them.
struct Scene<'a> {
    shared: &'a Arc<Shared>,
    devices: [Option<Device>; 3],
    unconfirmed: Unconfirmed,
    serial: u16,
}

impl<'a> Scene<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        let mut scene = Self {
            shared,
            devices: [None, None, None],
            unconfirmed: Unconfirmed::new(),
            serial: 0,
        };
        scene.tray().set_room(usize::MAX);
        scene.connect(0, Version::V4, 0);
        scene.connect(2, Version::V5, 4);
        scene
    }

    fn tray(&self) -> &'a Tray {
        self.shared
            .producer
            .tray
            .as_ref()
            .expect("it was put there")
    }

    async fn step(&mut self, script: &mut Unstructured<'_>) -> Script<()> {
        let index = script.int_in_range(0..=2_usize)?;
        match script.int_in_range(0..=15_u8)? {
            0..=5 => self.publish(index, script)?,
            6 => self.send(index, |_| wire::bare(0x62, 1)),
            7 => self.other_packet(index, script)?,
            8..=10 => {
                let count = script.arbitrary::<u8>()?;
                self.arrive(index, count.into());
            }
            11 => self.confirm(script.arbitrary::<u8>()?.into()),
            12 if script.ratio(1, 8)? => self.refuse(script.arbitrary::<u8>()?.into()),
            12 => self.confirm(0),
            13 => tokio::time::advance(Duration::from_secs(script.int_in_range(0..=4)?)).await,
            14 => {
                let version = *script.choose(&[Version::V4, Version::V5])?;
                let keep_alive = *script.choose(&[0, 2, 4])?;
                self.connect(index, version, keep_alive);
            }
            _ => match script.int_in_range(0..=3_u8)? {
                0 => self.devices[index] = None,
                1 => self.tray().set_room(script.int_in_range(0..=3)?),
                2 => self.tray().set_room(usize::MAX),
                _ => {
                    if let Some(device) = &self.devices[index] {
                        device.seat.signal.raise(Flag::Shutdown);
                    }
                }
            },
        }
        self.go_on();
        Ok(())
    }

    fn publish(&mut self, index: usize, script: &mut Unstructured<'_>) -> Script<()> {
        let qos = *script.choose(&[Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce])?;
        let pkid = script.int_in_range(1..=3)?;
        let kind = script.int_in_range(0..=wire::PAYLOAD_KINDS - 1)?;
        let Some(device) = self.devices[index]
            .as_mut()
            .filter(|device| !device.has_left)
        else {
            return Ok(());
        };
        self.serial += 1;
        let version = device.connection.session.version;
        let (packet, records) = wire::publish(version, qos, pkid, kind, self.serial);
        self.unconfirmed.insert(self.serial, records);
        device.oracle.sent(self.serial, qos, pkid);
        device.send(&packet);
        Ok(())
    }

    fn other_packet(&mut self, index: usize, script: &mut Unstructured<'_>) -> Script<()> {
        let pkid = script.int_in_range(1..=3)?;
        match script.int_in_range(0..=3_u8)? {
            0 => self.send(index, |_| vec![0xc0, 0]),
            1 => self.send(index, |_| wire::bare(0x62, pkid)),
            2 => self.send(index, |version| match version {
                Version::V4 => vec![0x82, 6, 0, 9, 0, 1, b'#', 0],
                Version::V5 => vec![0x82, 7, 0, 9, 0, 0, 1, b'#', 0],
            }),
            _ => {
                self.send(index, |_| vec![0xe0, 0]);
                if let Some(device) = &mut self.devices[index] {
                    device.has_left = true;
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, index: usize, packet: impl FnOnce(Version) -> Vec<u8>) {
        if let Some(device) = self.devices[index]
            .as_mut()
            .filter(|device| !device.has_left)
        {
            device.send(&packet(device.connection.session.version));
        }
    }

    /// Some of the bytes that are under way arrive, if the gateway reads.
    fn arrive(&mut self, index: usize, count: usize) {
        if let Some(device) = &mut self.devices[index]
            && device.connection.may_take()
        {
            device.arrive(count);
            self.turn(index);
        }
    }

    /// Kafka has one more record.
    fn confirm(&mut self, index: usize) {
        if let Some(index) = index.checked_rem(self.tray().len()) {
            let lying = self.tray().take_out(index);
            let open = self.unconfirmed.get_mut(&lying.serial);
            *open.expect("records come from publishes") -= 1;
            lying.slot.delivered();
        }
    }

    /// Kafka does not want a record.
    fn refuse(&mut self, index: usize) {
        if let Some(index) = index.checked_rem(self.tray().len()) {
            self.tray().take_out(index).slot.refused();
        }
    }

    /// A new connection, from its CONNECT to its CONNACK.
    fn connect(&mut self, index: usize, version: Version, keep_alive: u16) {
        self.devices[index] = None;
        let budget = Arc::clone(&self.shared.budget);
        let mut seat = self.shared.registry.enter(Arc::new(Signal::new(budget)));
        let mut input = Input::new(self.shared.limits.packet_bytes_max);
        let connect = wire::connect(version, CLIENT_IDS[index], keep_alive);
        input.bytes.extend_from_slice(&connect);
        let connect = input.connect().expect("it is a packet");
        let connect = connect.expect("it is whole").expect("it is a CONNECT");
        let opened = session::open(connect, &self.shared.limits, String::new);
        let (session, _) = opened.expect("nothing is wrong with it");
        if let Some(earlier) = seat.claim(CLIENT_IDS[index]) {
            assert!(
                earlier.is_raised(Flag::TakenOver),
                "the earlier one is told"
            );
        }
        let signal = Arc::clone(&seat.signal);
        let connection = Connection::new(Arc::clone(self.shared), signal, session, input);
        self.devices[index] = Some(Device::new(seat, connection));
        self.turn(index);
    }

    /// Lets every connection run that was woken, or whose hold or patience is over, until none is.
    fn go_on(&mut self) {
        loop {
            let mut has_run = false;
            for index in 0..self.devices.len() {
                let Some(device) = &mut self.devices[index] else {
                    continue;
                };
                if device.is_due(self.shared) {
                    self.turn(index);
                    has_run = true;
                }
            }
            if !has_run {
                break;
            }
        }
        let devices = self.devices.iter().flatten();
        devices.for_each(Device::check_clocks);
    }

    fn turn(&mut self, index: usize) {
        let device = self.devices[index]
            .as_mut()
            .expect("it is turned because it is there");
        if device.turn(&self.unconfirmed).is_err() {
            self.devices[index] = None;
        }
    }

    /// Everything arrives and Kafka confirms everything: then nothing is owed, and at last nothing is kept.
    fn end(mut self) {
        self.tray().set_room(usize::MAX);
        // Each round takes in at least one packet of somebody.
        for round in 0.. {
            assert!(round <= 2 * STEPS_MAX, "somebody is not read for ever");
            let before = self.tray().len() + self.under_way();
            (0..self.devices.len()).for_each(|index| self.arrive(index, usize::MAX));
            self.go_on();
            while self.tray().len() > 0 {
                self.confirm(0);
                self.go_on();
            }
            if before + self.tray().len() + self.under_way() == 0 {
                break;
            }
        }
        let (tray, shared) = (self.tray(), self.shared);
        for device in self.devices.into_iter().flatten() {
            device.oracle.check_settled();
            assert!(device.connection.window.is_empty());
            assert!(device.connection.hold.is_nothing());
        }
        tray.clear();
        assert_eq!(shared.registry.len(), 0, "every place was left");
        let used = shared.budget.used_ratio();
        assert!(used.abs() < 1e-9, "{used} of the memory was kept");
    }

    fn under_way(&self) -> usize {
        let devices = self.devices.iter().flatten();
        devices.map(Device::under_way).sum()
    }
}
