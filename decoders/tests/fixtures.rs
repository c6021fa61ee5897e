//! Every payload in `fixtures/native/{kind}/`, snapshotted: what the native decoder makes of it.

use std::fs;
use std::path::Path;

use decoders::{Decoder, Message, Overrides, decode};
use domain::time::Micros;

#[test]
fn every_native_fixture_is_read_as_before() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/native");
    let mut seen = 0;
    for kind in ["positions", "status", "weather"] {
        let mut files: Vec<_> = fs::read_dir(folder.join(kind))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        for file in files {
            let payload = fs::read(&file).unwrap();
            let overrides = Overrides::default();
            let decoded = decode(
                Decoder::Native,
                &Message {
                    topic: "footfall/main/ent-1/any",
                    device: Some("ent-1"),
                    kind,
                    payload: &payload,
                    // 2025-03-19T09:05:13Z
                    received_at: Micros(1_742_375_113_000_000),
                    overrides: &overrides,
                },
            );
            let name = file.file_name().unwrap().to_str().unwrap();
            insta::assert_snapshot!(format!("{kind}_{name}"), decoded.to_lines().join("\n"));
            seen += 1;
        }
    }
    assert_eq!(seen, 11, "a fixture is missing or new");
}
