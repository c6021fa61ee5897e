//! When a sensor speaks, what it counts, and for how long it is waited for.

use domain::live::{OpenCount, UpHour};

use super::*;

const RHYTHM: Rhythm = Rhythm {
    silent_after: Span::from_secs(60),
    offline_after: Span::from_secs(150),
};

fn at(seconds: i64) -> Micros {
    Micros(seconds * 1_000_000)
}

fn heard(last_received: i64, clock: i64, watermark: i64) -> KnownSensor {
    KnownSensor {
        heard: Some(Heard {
            last_event: at(last_received),
            last_received: at(last_received),
            clock: at(clock),
            watermark: at(watermark),
            said_goodbye: false,
            live: None,
        }),
        ..KnownSensor::default()
    }
}

/// It speaks for the last time at `last_event`, after it declared something, and said goodbye in these panes.
fn live(last_event: i64, declared: &str, goodbyes: &[usize]) -> Heard {
    let mut bits = vec![0; 90];
    for pane in goodbyes {
        bits[45 + pane / 8] |= 1 << (pane % 8);
    }
    let value = SensorValue {
        last_event_us: at(last_event).0,
        last_received_us: at(last_event).0,
        clock_us: at(last_event).0,
        watermark_us: at(last_event - 1200).0,
        // Ticks have closed the other visits.
        open: vec![OpenCount {
            traveler_type: "student".into(),
            n: 1,
        }],
        last_known: vec![
            OpenCount {
                traveler_type: "student".into(),
                n: 3,
            },
            OpenCount {
                traveler_type: "staff".into(),
                n: 2,
            },
        ],
        up: vec![UpHour { hour_us: 0, bits }],
        declared: declared.into(),
        usual_silence_us: 0,
    };
    Heard::from_live(Arc::new(value), None)
}

#[test]
fn a_sensor_is_online_as_long_as_it_is_covered_and_late_for_five_heartbeats() {
    let sensor = heard(1000, 1000, 0);
    let state = |seconds| sensor.state(at(seconds), RHYTHM);
    assert_eq!(state(1060), SensorState::Online);
    assert_eq!(state(1061), SensorState::Late);
    assert_eq!(state(1150), SensorState::Late);
    assert_eq!(state(1151), SensorState::Offline);
    assert_eq!(
        KnownSensor::default().state(at(0), RHYTHM),
        SensorState::Unknown
    );
    assert_eq!(sensor.silent_s(at(1061)), Some(61));
}

#[test]
fn a_goodbye_counts_until_the_sensor_speaks_again() {
    assert!(live(25, "offline", &[2]).said_goodbye);
    assert!(
        !live(25, "offline", &[1]).said_goodbye,
        "it spoke after its goodbye"
    );
    assert!(!live(25, "heartbeat", &[]).said_goodbye);
}

#[test]
fn who_came_back_after_a_goodbye_is_late_before_it_is_offline() {
    let mut heard = live(1000, "offline", &[5]);
    heard.live = heard.live.map(|live| {
        Arc::new(SensorValue {
            usual_silence_us: at(580).0,
            ..(*live).clone()
        })
    });
    let sensor = KnownSensor {
        heard: Some(heard),
        ..KnownSensor::default()
    };
    let states = [1580, 1581].map(|now| sensor.state(at(now), RHYTHM));
    assert_eq!(states, [SensorState::Online, SensorState::Late]);
}

#[test]
fn people_are_counted_by_type_as_they_were_measured() {
    let heard = live(25, "online", &[]);
    assert_eq!(heard.present(|_| true), 5);
    assert_eq!(heard.present(|name| name == "staff"), 2);
}

#[test]
fn the_clock_of_a_site_is_that_of_its_slowest_active_sensor() {
    let now = 200_000;
    let sensors = [
        heard(now, now, now - 1200),
        heard(now - 9, now - 5, now - 1209),
        heard(0, 10, 0),
    ];
    let found = clocks_of_all(sensors.iter(), at(now)).unwrap();
    assert_eq!(
        found,
        Clocks {
            clock: at(now - 5),
            watermark: at(now - 1209)
        }
    );
    assert_eq!(clocks([KnownSensor::default()].iter(), at(now)), None);
}

#[test]
fn a_sensor_that_is_silent_for_an_hour_is_not_waited_for() {
    let now = 200_000;
    let clocks_when_silent_for = |seconds| {
        let quiet = heard(now - seconds, now, now - seconds - 1200);
        let sensors = [heard(now, now, now - 1200), quiet];
        let found = [
            clocks(sensors.iter(), at(now)),
            clocks_of_all(sensors.iter(), at(now)),
        ];
        found.map(|clocks| now - clocks.unwrap().watermark.0 / 1_000_000)
    };
    assert_eq!(clocks_when_silent_for(3600), [4800, 4800]);
    assert_eq!(clocks_when_silent_for(3601), [1200, 4801]);
    // At night all of them are.
    let asleep = [heard(now - 9000, now, now - 10_200)];
    let found = clocks(asleep.iter(), at(now)).unwrap();
    assert_eq!(found.watermark, at(now - 10_200));
}

#[test]
fn a_sensor_that_nobody_registered_is_forgotten_after_an_hour() {
    let stray = heard(1005, 1005, 0);
    assert!(!stray.is_forgotten(at(4605)));
    assert!(stray.is_forgotten(at(4606)));
    let registered = KnownSensor {
        is_registered: true,
        ..stray
    };
    assert!(!registered.is_forgotten(at(4606)));
}

#[test]
fn the_newer_of_row_and_live_view_counts() {
    let row = heard(1000, 1000, 0).heard.unwrap();
    let value = SensorValue {
        last_event_us: at(900).0,
        clock_us: at(1010).0,
        ..SensorValue::default()
    };
    let both = Heard::from_live(Arc::new(value), Some(&row));
    assert_eq!((both.last_event, both.clock), (at(1000), at(1010)));
}
