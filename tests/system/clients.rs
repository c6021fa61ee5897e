//! Clients that were not written here: what they publish is acknowledged, and it is what the api answers.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::harness::System;

/// The distribution's Python, which has the distribution's paho.
const PYTHON: &str = "/usr/bin/python3";
const TRAVELERS: usize = 5;

#[test]
fn programs_of_others_publish_and_are_counted() {
    let mut system = System::start(&[]);
    let mqtt = system.mqtt();
    let (host, port) = mqtt.rsplit_once(':').unwrap();
    let mut sensors = Vec::new();
    for (version, qos) in [("311", "1"), ("5", "1"), ("311", "2"), ("5", "2")] {
        let sensor = format!("mosquitto-{version}-{qos}");
        for traveler in 0..TRAVELERS {
            let topic = format!("footfall/main/{sensor}/positions");
            let payload = format!(r#"{{"traveler_id":"{sensor}-{traveler}","x":1,"y":1.5}}"#);
            let version = if version == "5" { "mqttv5" } else { "mqttv311" };
            run(Command::new("mosquitto_pub").args([
                "-h", host, "-p", port, "-V", version, "-q", qos, "-t", &topic, "-m", &payload,
            ]));
        }
        sensors.push(sensor);
        let sensor = format!("paho-{version}-{qos}");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/publish_paho.py");
        let mut paho = Command::new(PYTHON);
        paho.arg(script)
            .args([host, port, &sensor, &TRAVELERS.to_string(), "--qos", qos]);
        if version == "5" {
            paho.arg("--v5");
        }
        run(&mut paho);
        sensors.push(sensor);
    }
    system.wait("everyone is counted", Duration::from_secs(20), |system| {
        sensors
            .iter()
            .try_for_each(|sensor| counted(system, sensor))
    });
    system.stop();
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}: make setup installs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// Whether `/visits` names exactly the travelers that were published.
fn counted(system: &System, sensor: &str) -> Result<(), String> {
    let visits = system.get(&format!("/visits?sensor={sensor}&start=now-10m&end=now"))?;
    let found: BTreeSet<String> = visits["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|visit| visit["traveler_id"].as_str().unwrap().to_owned())
        .collect();
    let expected = (0..TRAVELERS).map(|traveler| format!("{sensor}-{traveler}"));
    if found == expected.collect() {
        Ok(())
    } else {
        Err(format!("{sensor}: {found:?}"))
    }
}
