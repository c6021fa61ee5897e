//! A dense street crossing: everybody walks or rides straight through the field of one sensor in some ten seconds.

use super::{Habit, Plan, Zone};

/// Sensors of the usual plan, one above each arm.
pub(super) const SENSORS: u16 = 4;

/// Measured, see the test in `world`.
pub(super) const SAMPLES_PER_PERSON_SECOND: f64 = 1.07;

const FIELD_M: (f64, f64) = (14.0, 6.0);

pub(super) fn plan(sensors: u16) -> Plan {
    let mut plan = Plan {
        site_name: "Market crossing",
        zones: vec![Zone {
            id: "crossing",
            name: "Market crossing",
            capacity: None,
            sensors: Vec::new(),
            habit: Habit {
                share: 1.0,
                stay_s: 0.0,
                pass_share: 1.0,
                rest_s: (1.0, 2.0),
                rest_sample_s: (1.0, 10.0),
                pace: 1.0,
            },
        }],
        sensors: Vec::new(),
    };
    for _ in 0..sensors {
        plan.add_sensor(0, "x", FIELD_M);
    }
    plan
}
