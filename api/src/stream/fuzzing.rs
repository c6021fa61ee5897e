//! What the fuzzer in `fuzz/` calls. It takes any bytes and panics when a promise is broken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::pane::PANE;
use domain::time::{Micros, Span};
use jiff::tz::TimeZone;

use super::asked::{parse, period};
use super::cursor::{Since, TICK};
use super::message::{ClientMessage, Topic};
use super::series_feed::resumable;
use crate::app::{Moment, Settings};
use crate::catalog::Catalog;
use crate::live::MirrorStatus;
use crate::overview::{OverviewFilter, overview};
use crate::params::Pairs;
use crate::problem::Problem;
use crate::routes::overview::OverviewParams;
use crate::routes::series::SeriesParams;
use crate::sensors::{self, Rhythm};
use crate::series::question::{POINTS_MAX, Question};
use crate::store::{DeviceRow, SiteRow, ZoneRow};

/// 2026-11-24T11:20:14Z, when the socket is open.
const NOW: Micros = Micros(1_795_519_214_000_000);

/// What a client says on a socket, a message a line: each is followed, or refused by a sentence that names what is wrong.
///
/// What is followed is bounded: how often it is answered, and how many points an answer has.
pub fn socket(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for line in text.split('\n').take(20) {
        match parse(line) {
            Ok(Ok(message)) => {
                let again = serde_json::to_string(&message).expect("its keys are strings");
                let read = parse(&again).ok().and_then(Result::ok);
                assert_eq!(read.as_ref(), Some(&message), "{again}");
                follow(message);
            }
            Ok(Err((id, problem))) => {
                assert!(id.is_some());
                check_refusal(&problem);
            }
            // The socket ends.
            Err(_) => return,
        }
    }
}

fn follow(message: ClientMessage) {
    match message {
        ClientMessage::Sub {
            topic,
            params,
            rate_hz,
            since,
            ..
        } => {
            check_rate(rate_hz);
            match ask(topic, params, since.as_ref()) {
                Ok(()) => {}
                Err(problem) => check_refusal(&problem),
            }
        }
        ClientMessage::Rate { hz, .. } => check_rate(hz),
        ClientMessage::Unsub { .. } | ClientMessage::Ping { .. } => {}
    }
}

/// A subscription is answered at most 20 times a second, and at least every 100 s.
fn check_rate(hz: f64) {
    match period(hz) {
        Ok(Some(period)) => assert!((50_000..=100_000_000).contains(&period), "{hz}: {period}"),
        Ok(None) => assert!(hz <= 0.0),
        Err(problem) => check_refusal(&problem),
    }
}

/// What the hub makes of a question before it asks a store.
fn ask(
    topic: Topic,
    params: BTreeMap<String, String>,
    since: Option<&Since>,
) -> Result<(), Problem> {
    let now = moment(NOW);
    let pairs = Pairs::from_map(params);
    match topic {
        Topic::Overview => {
            let filter = OverviewFilter::parse(&pairs.read::<OverviewParams>()?, &now)?;
            let answer = overview(&filter, &now, &settings());
            assert!(answer.zones.len() <= now.catalog.zones.len() + 1);
        }
        Topic::Series => {
            let params: SeriesParams = pairs.read()?;
            let asked = match since.map(|since| resumable(since.offset, NOW)) {
                None => NOW,
                Some(Ok(position)) => position.as_of,
                // Resync is a refusal too.
                Some(Err(_)) => return Ok(()),
            };
            let question = Question::parse(&params, &moment(asked))?;
            check_question(&question, asked);
        }
    }
    Ok(())
}

fn check_question(question: &Question, asked: Micros) {
    let moment = moment(asked);
    let grid = question.grid(asked);
    assert!(grid.points <= POINTS_MAX, "{question:?}");
    assert!(grid.step.0 >= PANE.0 && grid.step.0 % PANE.0 == 0);
    assert!(grid.window.0 >= PANE.0 && grid.window.0 % PANE.0 == 0);
    assert!(question.start <= question.end_at(asked));
    assert_eq!(question.epoch_at(&moment), question.epoch);
    // A question that slides is asked again for as long as the socket is open.
    let later = asked + Span::from_secs(86_400);
    assert!(question.end_at(later) >= question.end_at(asked));
}

/// Refusals are the client's to mend, and say how.
fn check_refusal(problem: &Problem) {
    let body = problem.body();
    assert!((400..500).contains(&body.status), "{problem}");
    assert!(body.detail.is_some(), "{problem}");
}

/// A small site at one instant, on the raster of answers.
fn moment(now: Micros) -> Moment {
    let now = now.floor(TICK);
    let device = |id: &str, zone: Option<&str>| DeviceRow {
        id: id.to_owned(),
        name: id.to_owned(),
        kind: "movement".to_owned(),
        zone: zone.map(str::to_owned),
    };
    let devices = [device("ent-1", Some("entrance")), device("lib-1", None)];
    let catalog = Arc::new(Catalog {
        identity: "7f3a90c1".to_owned(),
        site: SiteRow {
            id: "main".to_owned(),
            name: "Main".to_owned(),
            tz: "Europe/London".to_owned(),
            locale: "en".to_owned(),
        },
        tz: TimeZone::get("Europe/London").expect("zones are compiled in"),
        zones: vec![ZoneRow {
            id: "entrance".to_owned(),
            name: "Entrance".to_owned(),
            capacity: Some(10),
        }],
        devices: devices
            .into_iter()
            .map(|device| (device.id.as_str().into(), device))
            .collect(),
        sensors: BTreeMap::new(),
        partitions: Vec::new(),
        types: ["person".to_owned()].into(),
        canaries: Vec::new(),
        dead_letters: 0,
    });
    Moment {
        now,
        sensors: sensors::known(&catalog, BTreeMap::new()),
        live: MirrorStatus {
            stale: false,
            lag_ms: None,
            offsets: BTreeMap::new(),
        },
        catalog,
    }
}

fn settings() -> Settings {
    Settings {
        topic: "sensor-movements".to_owned(),
        heartbeat: Duration::from_secs(30),
        rhythm: Rhythm {
            silent_after: Span::from_secs(60),
            offline_after: Span::from_secs(150),
        },
        lateness: Duration::from_secs(1200),
        idle_gap: Span::from_secs(30),
        open_for: Span::from_secs(60),
        mqtt_advertised: None,
        allowed_origins: Vec::new(),
        sockets_max: 1,
        socket_heartbeat: Duration::from_secs(15),
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn the_corpus_of_client_messages_holds() {
        replay("socket", super::socket);
    }
}
