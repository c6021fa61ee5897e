//! A university campus. Shares, stays and capacities are those of a busy weekday noon.

use super::{Habit, Plan, Zone};

/// Sensors of the usual plan.
pub(super) const SENSORS: u16 = 11;

/// Measured, see the test in `world`.
pub(super) const SAMPLES_PER_PERSON_SECOND: f64 = 0.143;

/// A zone of the campus and how its sensors are made.
struct Part {
    id: &'static str,
    name: &'static str,
    capacity: u32,
    prefix: &'static str,
    field_m: (f64, f64),
    habit: Habit,
}

/// In the order in which they are shown; the entrance comes first.
const PARTS: [Part; 5] = [
    Part {
        id: "entrance",
        name: "Main entrance",
        capacity: 300,
        prefix: "ent",
        field_m: (24.0, 14.0),
        habit: Habit {
            share: 0.14,
            stay_s: 420.0,
            pass_share: 0.5,
            rest_s: (4.0, 30.0),
            rest_sample_s: (5.0, 8.0),
            pace: 1.0,
        },
    },
    Part {
        id: "lib",
        name: "Library",
        capacity: 450,
        prefix: "lib",
        field_m: (30.0, 20.0),
        habit: Habit {
            share: 0.46,
            stay_s: 3_000.0,
            pass_share: 0.0,
            rest_s: (240.0, 1_500.0),
            rest_sample_s: (9.0, 15.0),
            pace: 0.8,
        },
    },
    Part {
        id: "cafe",
        name: "Atrium café",
        capacity: 90,
        prefix: "cafe",
        field_m: (16.0, 12.0),
        habit: Habit {
            share: 0.11,
            stay_s: 1_300.0,
            pass_share: 0.0,
            rest_s: (60.0, 700.0),
            rest_sample_s: (8.0, 14.0),
            pace: 0.8,
        },
    },
    Part {
        id: "eng",
        name: "Engineering",
        capacity: 400,
        prefix: "eng",
        field_m: (26.0, 18.0),
        habit: Habit {
            share: 0.24,
            stay_s: 3_600.0,
            pass_share: 0.0,
            rest_s: (120.0, 900.0),
            rest_sample_s: (9.0, 15.0),
            pace: 0.9,
        },
    },
    Part {
        id: "sports",
        name: "Sports hall",
        capacity: 240,
        prefix: "sh",
        field_m: (40.0, 22.0),
        habit: Habit {
            share: 0.05,
            stay_s: 2_700.0,
            pass_share: 0.0,
            rest_s: (8.0, 40.0),
            rest_sample_s: (2.0, 6.0),
            pace: 2.0,
        },
    },
];

/// In which zone the next sensor stands. The order repeats beyond its end, without the sports hall: that has one sensor,
/// so that the whole hall is not measured while it is silent.
const ORDER: [usize; 11] = [0, 1, 2, 3, 4, 0, 1, 2, 3, 1, 3];
const SPORTS: usize = 4;

pub(super) fn plan(sensors: u16) -> Plan {
    let mut plan = Plan {
        site_name: "Main campus",
        zones: PARTS.iter().take(usize::from(sensors)).map(zone).collect(),
        sensors: Vec::new(),
    };
    let more = ORDER.into_iter().filter(|&zone| zone != SPORTS).cycle();
    for zone in ORDER.into_iter().chain(more).take(usize::from(sensors)) {
        plan.add_sensor(zone, PARTS[zone].prefix, PARTS[zone].field_m);
    }
    for sensor in plan
        .sensors
        .iter_mut()
        .filter(|sensor| sensor.zone == SPORTS)
    {
        sensor.falls_silent = true;
    }
    plan
}

fn zone(part: &Part) -> Zone {
    Zone {
        id: part.id,
        name: part.name,
        capacity: Some(part.capacity),
        sensors: Vec::new(),
        habit: part.habit,
    }
}
