//! The committed description is the one that the code gives. The dashboard's types are generated from it.

use std::path::Path;

use serde_json::Value;

#[test]
fn the_committed_description_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let generated = api::openapi::json();
    let committed = std::fs::read(&path).unwrap_or_default();
    if committed != generated {
        std::fs::write(&path, &generated).unwrap();
        panic!(
            "api/openapi.json was not what the code describes; it is now: look at the change and commit it"
        );
    }
}

#[test]
fn every_operation_has_an_example_and_its_problems() {
    let document: Value = serde_json::from_slice(&api::openapi::json()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().unwrap() {
        if matches!(path.as_str(), "/api/v1/stream" | "/api/v1/openapi.json") {
            continue;
        }
        let responses = item["get"]["responses"].as_object().unwrap();
        let content = &responses["200"]["content"]["application/json"];
        assert!(!content["example"].is_null(), "{path} has no example");
        for status in ["400", "503"] {
            let problem = &responses[status]["content"]["application/problem+json"];
            assert!(
                !problem["example"].is_null(),
                "{path} has no example of {status}"
            );
        }
    }
}

#[test]
fn the_messages_of_the_websocket_are_described() {
    let document: Value = serde_json::from_slice(&api::openapi::json()).unwrap();
    for name in ["ServerMessage", "ClientMessage"] {
        let variants = document["components"]["schemas"][name]["oneOf"]
            .as_array()
            .unwrap();
        assert!(
            variants.len() >= 4,
            "{name} has {} variants",
            variants.len()
        );
    }
}

#[test]
fn every_reference_is_described() {
    let text = String::from_utf8(api::openapi::json().to_vec()).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(
            !document["components"]["schemas"][name].is_null(),
            "{name} is not described"
        );
    }
}
