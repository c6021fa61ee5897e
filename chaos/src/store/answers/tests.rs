use serde_json::{Value, json};
use simulator::truth::{Rules, Sample, Truth, truth};

use super::*;

/// A lie that is told about a true answer.
type Lie = fn(&mut Value);

fn devices() -> Vec<String> {
    ["ent-1", "ent-2"].map(str::to_owned).to_vec()
}

/// One traveler walks by each sensor, the second one faster, further and half a minute later; a third stands at the first.
fn walked() -> Truth {
    let sample = |(sensor, traveler, second): (&str, &str, i64), y: f64| Sample {
        sensor: sensor.to_owned(),
        traveler_type: "person".to_owned(),
        traveler_id: traveler.to_owned(),
        at: Micros(1_800_000_000_000_000 + second * 1_000_000),
        event_id: format!("{sensor}-{traveler}-{second}"),
        x: 0.0,
        y,
    };
    let samples = vec![
        sample(("ent-1", "a", 0), 0.0),
        sample(("ent-1", "a", 1), 1.0),
        sample(("ent-1", "a", 2), 1.5),
        sample(("ent-2", "b", 30), 0.0),
        sample(("ent-2", "b", 31), 2.0),
        sample(("ent-1", "c", 33), 0.0),
    ];
    truth(samples, Rules::default())
}

/// What an honest api answers to both questions.
fn honest(truth: &Truth) -> (Value, Value) {
    let stamp = |at: Micros| text(at).unwrap();
    let visit = |visit: &Visit| {
        let speed = |nanometres| (visit.speeds.n > 0).then(|| metres(nanometres));
        json!({
            "entered_at": stamp(visit.entered_at), "left_at": stamp(visit.left_at), "sensor": visit.sensor,
            "traveler_id": visit.traveler_id, "traveler_type": visit.traveler_type, "samples": visit.samples,
            "distance_m": metres(visit.distance_nm), "speed_min": speed(visit.speeds.min),
            "speed_max": speed(visit.speeds.max), "speed_avg": visit.speeds.mean_m_s(),
        })
    };
    let range = Range::of(truth).unwrap();
    let series = |device: &String| {
        let panes = panes_of(truth, device);
        let values = |of: OfPane| -> Vec<f64> {
            let pane = |start| panes.get(&start).copied().unwrap_or_default();
            range.panes().map(|start| of(&pane(start))).collect()
        };
        let mut series = json!({"key": {"sensor": device, "type": "all"}});
        for (metric, of) in METRICS {
            series[metric] = json!({"unit": "count", "v": values(of)});
        }
        series
    };
    let visits: Vec<Value> = truth.visits.iter().map(visit).collect();
    let series: Vec<Value> = devices().iter().map(series).collect();
    (json!(visits), json!({"series": series}))
}

#[test]
fn an_honest_answer_is_taken_and_a_lie_about_a_visit_is_found() {
    let truth = walked();
    let check = |lie: Lie| {
        let (mut visits, _) = honest(&truth);
        lie(&mut visits);
        compare_visits(&truth, visits.as_array().unwrap())
    };
    check(|_| {}).unwrap();
    let lies: [(&str, Lie); 10] = [
        ("left", |visits| {
            visits[0]["left_at"] = visits[0]["entered_at"].clone();
        }),
        ("samples", |visits| visits[0]["samples"] = json!(4)),
        ("type", |visits| {
            visits[0]["traveler_type"] = json!("student");
        }),
        ("distance", |visits| visits[0]["distance_m"] = json!(1.4)),
        ("mean", |visits| visits[0]["speed_avg"] = json!(0.76)),
        ("no mean", |visits| visits[0]["speed_avg"] = Value::Null),
        ("a mean of nothing", |visits| {
            visits[2]["speed_avg"] = json!(0.0);
        }),
        ("extremes", |visits| {
            visits[0]["speed_min"] = visits[0]["speed_max"].clone();
        }),
        ("missing", |visits| {
            drop(visits.as_array_mut().unwrap().pop());
        }),
        ("twice", |visits| {
            let visit = visits[1].clone();
            visits.as_array_mut().unwrap().push(visit);
        }),
    ];
    for (name, lie) in lies {
        assert!(check(lie).is_err(), "{name}");
    }
}

#[test]
fn a_lie_about_a_series_is_found_also_when_the_sum_of_all_sensors_is_right() {
    let truth = walked();
    let range = Range::of(&truth).unwrap();
    let check = |lie: Lie| {
        let (_, mut series) = honest(&truth);
        lie(&mut series);
        compare_series(&truth, &devices(), range, &series)
    };
    check(|_| {}).unwrap();
    let lies: [(&str, Lie); 6] = [
        ("swapped", |answer| {
            let (one, other) = (
                answer["series"][0]["key"].clone(),
                answer["series"][1]["key"].clone(),
            );
            answer["series"][0]["key"] = other;
            answer["series"][1]["key"] = one;
        }),
        ("empty", |answer| {
            answer["series"][0]["entries"]["v"] = json!([]);
        }),
        ("short", |answer| {
            drop(
                answer["series"][0]["present"]["v"]
                    .as_array_mut()
                    .unwrap()
                    .pop(),
            );
        }),
        ("mean", |answer| {
            answer["series"][1]["speed_avg"]["v"][3] = json!(2.1);
        }),
        ("null", |answer| {
            answer["series"][0]["entries"]["v"][0] = Value::Null;
        }),
        ("no such sensor", |answer| {
            drop(answer["series"].as_array_mut().unwrap().pop());
        }),
    ];
    for (name, lie) in lies {
        assert!(check(lie).is_err(), "{name}");
    }
}
