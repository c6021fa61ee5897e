use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::*;
use crate::demand::Profile;

fn world(scenario: Scenario, people: f64, opening: Opening) -> World {
    World::new(WorldConfig {
        scenario,
        plan: scenario.plan(None),
        demand: Demand {
            profile: Profile::Busy,
            people,
            tz: TimeZone::UTC,
        },
        opening,
        seed: 7,
        start: Micros(0),
    })
}

fn within(world: &mut World, end: Micros) -> Vec<Sighting> {
    let mut seen = Vec::new();
    while let Some(sighting) = world.next().filter(|sighting| sighting.at < end) {
        seen.push(sighting);
    }
    seen
}

const HOUR: Micros = Micros(3_600_000_000);

#[test]
fn the_promised_number_of_people_makes_the_promised_number_of_samples() {
    for (scenario, people) in [(Scenario::Campus, 800.0), (Scenario::Crossing, 200.0)] {
        let mut world = world(scenario, people, Opening::Full);
        let seen = within(&mut world, HOUR);
        let promised = people * scenario.samples_per_person_second() * 3_600.0;
        let ratio = f64::from(u32::try_from(seen.len()).unwrap()) / promised;
        assert!((0.9..1.1).contains(&ratio), "{scenario:?}: {ratio}");
        let inside = f64::from(world.inside()) / world.demand.people_at(HOUR);
        assert!(
            (0.85..1.15).contains(&inside),
            "{scenario:?}: {inside} of the people"
        );
    }
}

#[test]
fn zones_hold_their_shares_of_the_people() {
    let mut world = world(Scenario::Campus, 800.0, Opening::Full);
    let plan = world.plan().clone();
    let seen = within(&mut world, HOUR);
    let minute = 60_000_000;
    let mut last: HashMap<u32, u16> = HashMap::new();
    for sighting in seen
        .iter()
        .filter(|sighting| sighting.at.0 > HOUR.0 - minute)
    {
        last.insert(sighting.number, sighting.sensor);
    }
    let mut counts = vec![0_u32; plan.zones.len()];
    for sensor in last.values() {
        counts[plan.sensors[usize::from(*sensor)].zone] += 1;
    }
    let expected = [(60, 200), (270, 470), (50, 130), (120, 290), (20, 70)];
    for (zone, (count, (low, high))) in counts.iter().zip(expected).enumerate() {
        assert!(
            (low..high).contains(count),
            "{}: {count}",
            plan.zones[zone].id
        );
    }
}

#[test]
fn an_empty_site_fills_within_three_quarters_of_an_hour() {
    let mut world = world(Scenario::Campus, 800.0, Opening::Empty);
    within(&mut world, Micros(60_000_000));
    assert!(world.inside() < 150, "{}", world.inside());
    within(&mut world, Micros(2_700_000_000));
    assert!((600..950).contains(&world.inside()), "{}", world.inside());
}

#[test]
fn people_in_a_field_are_seen_well_inside_the_idle_gap_and_move_as_people_do() {
    let mut world = world(Scenario::Campus, 400.0, Opening::Full);
    let mut last: HashMap<(u32, u16), Sighting> = HashMap::new();
    let (mut steps, mut fast, mut pauses, mut exact) = (0_u32, 0_u32, 0_u32, 0_u32);
    for sighting in within(&mut world, HOUR) {
        let before = last.insert((sighting.number, sighting.sensor), sighting);
        let Some(before) = before else { continue };
        let gap = (sighting.at - before.at).as_secs_f64();
        if gap > 15.0 {
            pauses += u32::from(gap < 60.0);
            exact += u32::from(sighting.at - before.at == Span::from_secs(30));
        } else if gap > 0.5 {
            let (dx, dy) = (sighting.x_mm - before.x_mm, sighting.y_mm - before.y_mm);
            let speed = f64::from(dx).hypot(f64::from(dy)) / 1e3 / gap;
            assert!(speed < 7.0, "{speed} m/s: {before:?} {sighting:?}");
            steps += 1;
            fast += u32::from(speed > 4.0);
        }
    }
    assert!(steps > 100_000 && fast < steps / 100, "{fast} of {steps}");
    assert!(
        exact > 5 && pauses < steps / 300,
        "{exact} of {pauses} pauses are exactly the idle gap"
    );
}

#[test]
fn sightings_come_in_time_order_and_one_seed_gives_one_world() {
    let first = within(
        &mut world(Scenario::Crossing, 50.0, Opening::Full),
        Micros(60_000_000),
    );
    let second = within(
        &mut world(Scenario::Crossing, 50.0, Opening::Full),
        Micros(60_000_000),
    );
    assert!(first.is_sorted_by_key(|sighting| sighting.at));
    assert!(
        first.windows(2).any(|pair| pair[0].at == pair[1].at),
        "some are reported twice"
    );
    assert_eq!(first, second);
}
