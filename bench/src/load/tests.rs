use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;

/// Length and content of the next frame, if it is whole.
fn next_frame(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0;
    for (index, &byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let end = 2 + index + length;
            return (bytes.len() >= end).then(|| (end, &bytes[..end]));
        }
    }
    None
}

/// Acknowledges everything after a moment, as a gateway with a linger does.
fn serve(mut stream: TcpStream, seen: &Mutex<HashSet<String>>) {
    let (mut incoming, mut buffer) = (Vec::new(), [0; 65_536]);
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            return;
        }
        incoming.extend_from_slice(&buffer[..read]);
        let mut answers = Vec::new();
        let mut used = 0;
        while let Some((length, frame)) = next_frame(&incoming[used..]) {
            match frame[0] {
                0x10 => answers.extend_from_slice(&[0x20, 2, 0, 0]),
                0x32 => {
                    let text = String::from_utf8_lossy(frame).into_owned();
                    let topic = usize::from(u16::from_be_bytes([frame[3], frame[4]]));
                    answers.extend_from_slice(&[0x40, 2, frame[5 + topic], frame[6 + topic]]);
                    let (_, id) = text
                        .split_once(r#"{"event_id":""#)
                        .expect("a native position");
                    seen.lock()
                        .expect("no holder panics")
                        .insert(id[..16].to_owned());
                }
                _ => return,
            }
            used += length;
        }
        incoming.drain(..used);
        thread::sleep(Duration::from_millis(5));
        if stream.write_all(&answers).is_err() {
            return;
        }
    }
}

#[test]
fn everything_that_is_due_is_sent_once_and_timed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mqtt = listener.local_addr().unwrap().to_string();
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let shared = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&shared);
            thread::spawn(move || serve(stream, &seen));
        }
    });
    let names = RunNames::new(Micros(1_763_724_000_000_000));
    let plan = LoadPlan {
        mqtt,
        site: "main".to_owned(),
        trace: Trace {
            travelers: 50,
            sensors: 5,
            rate: 2_000.0,
        },
        canaries: Some(Canaries::new(&names, 3, 50.0)),
        names,
        connections: 3,
        warmup: Duration::from_millis(200),
        duration: Duration::from_millis(600),
    };
    let mut load = Load::connect(plan).unwrap();
    load.say_hello(Micros(1_763_724_000_000_000)).unwrap();
    let start = Instant::now() + Duration::from_millis(50);
    let sent = load
        .run(start, Micros(1_763_724_001_000_000))
        .join()
        .unwrap()
        .unwrap();

    assert!(
        start.elapsed() >= Duration::from_millis(800),
        "open loop: not faster than the schedule"
    );
    assert_eq!(sent.events, 1_600);
    assert!((38..=42).contains(&sent.canaries), "{}", sent.canaries);
    let ids = seen.lock().unwrap().len();
    assert_eq!(
        u64::try_from(ids).unwrap(),
        sent.events + sent.canaries + 3,
        "with three hellos"
    );
    // Three quarters of the time are measured; each PUBACK took the five milliseconds of `serve` at least.
    let measured = sent.puback.len();
    assert!((1_200..1_250).contains(&measured), "{measured}");
    assert!(
        sent.puback.value_at_quantile(0.5) >= 2_500,
        "{} µs",
        sent.puback.value_at_quantile(0.5)
    );
}

#[test]
fn a_gateway_that_closes_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mqtt = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 1_024];
        let connect = stream.read(&mut buffer).unwrap();
        assert!(connect > 0);
        stream.write_all(&[0x20, 2, 0, 0]).unwrap();
        // Takes one PUBLISH and goes.
        let publish = stream.read(&mut buffer).unwrap();
        assert!(publish > 0);
    });
    let plan = LoadPlan {
        mqtt,
        site: "main".to_owned(),
        trace: Trace {
            travelers: 1,
            sensors: 1,
            rate: 100.0,
        },
        names: RunNames::new(Micros(0)),
        canaries: None,
        connections: 1,
        warmup: Duration::ZERO,
        duration: Duration::from_millis(300),
    };
    let load = Load::connect(plan).unwrap();
    let outcome = load.run(Instant::now(), Micros(0)).join().unwrap();
    assert!(outcome.is_err());
}
