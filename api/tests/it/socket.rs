//! A client of the websocket that keeps state as the dashboard does.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::world::Instance;

const PATIENCE: Duration = Duration::from_secs(20);

/// A socket and the state of its subscriptions.
#[derive(Debug)]
pub(crate) struct Socket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) subscriptions: BTreeMap<u64, Subscription>,
}

/// What a client knows of a subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) epoch: String,
    pub(crate) position: u64,
    pub(crate) state: Value,
}

impl Socket {
    /// Opens a socket and hears its welcome.
    pub(crate) async fn open(api: &Instance) -> Self {
        let mut socket = Self::open_as(api, None).await;
        let welcome = socket.hear().await.unwrap();
        assert_eq!(
            (&welcome["t"], &welcome["v"]),
            (&json!("welcome"), &json!(1))
        );
        socket
    }

    /// Opens a socket as a page of some origin.
    pub(crate) async fn open_as(api: &Instance, origin: Option<&str>) -> Self {
        let mut request = format!("ws://{}/api/v1/stream", api.address)
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        headers.insert(
            "sec-websocket-protocol",
            HeaderValue::from_static("footfall.v1"),
        );
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().unwrap());
        }
        let (socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "footfall.v1");
        Self {
            socket,
            subscriptions: BTreeMap::new(),
        }
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.say_text(&message.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next message, or the code with which the server closed.
    pub(crate) async fn hear(&mut self) -> Result<Value, u16> {
        loop {
            let message = timeout(PATIENCE, self.socket.next())
                .await
                .expect("the server says something");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                Some(Ok(_)) => {}
                other => panic!("the socket ended: {other:?}"),
            }
        }
    }

    /// The next message of that kind.
    pub(crate) async fn hear_of(&mut self, t: &str) -> Value {
        loop {
            let message = self.hear().await.unwrap();
            if message["t"] == t {
                return message;
            }
        }
    }

    /// Subscribes and takes in the snapshot.
    pub(crate) async fn subscribe(&mut self, id: u64, topic: &str, params: Value, rate_hz: f64) {
        self.say(
            json!({"t": "sub", "id": id, "topic": topic, "params": params, "rate_hz": rate_hz}),
        )
        .await;
        let snapshot = self.hear_of("snapshot").await;
        assert_eq!(snapshot["id"], id);
        let subscription = Subscription {
            epoch: snapshot["epoch"].as_str().unwrap().to_owned(),
            position: snapshot["to"].as_u64().unwrap(),
            state: snapshot["d"].clone(),
        };
        self.subscriptions.insert(id, subscription);
    }

    /// Goes on from the answer of a REST request.
    pub(crate) async fn go_on(&mut self, id: u64, topic: &str, params: Value, answer: Value) {
        let stream = &answer["stream"];
        let since = json!({"epoch": stream["epoch"], "offset": stream["offset"]});
        let subscription = Subscription {
            epoch: stream["epoch"].as_str().unwrap().to_owned(),
            position: stream["offset"].as_u64().unwrap(),
            state: answer,
        };
        self.subscriptions.insert(id, subscription);
        self.say(json!({"t": "sub", "id": id, "topic": topic, "params": params, "rate_hz": 20.0, "since": since})).await;
    }

    /// Takes in the next change of a subscription; gives any other message back.
    pub(crate) async fn follow(&mut self) -> Option<Value> {
        let message = self.hear().await.unwrap();
        if message["t"] != "delta" {
            return Some(message);
        }
        let id = message["id"].as_u64().unwrap();
        let known = self.subscriptions.get_mut(&id).unwrap();
        assert_eq!(
            message["from"], known.position,
            "a change follows the one before"
        );
        known.position = message["to"].as_u64().unwrap();
        if known.state["series"].is_array() {
            apply(&mut known.state, &message["d"]);
        } else {
            merge(&mut known.state, &message["d"]);
        }
        None
    }

    /// Follows until a subscription's state is as expected.
    pub(crate) async fn follow_until(
        &mut self,
        id: u64,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) {
        let all = async {
            while !is_so(&self.subscriptions[&id].state) {
                if let Some(other) = self.follow().await {
                    assert!(other["t"] == "hb", "{what}: {other}");
                }
            }
        };
        let reached = timeout(PATIENCE, all).await.is_ok();
        assert!(
            reached,
            "{what}: not within {PATIENCE:?}: {}",
            self.subscriptions[&id].state
        );
    }
}

/// Applies a change of series as the protocol says.
fn apply(state: &mut Value, delta: &Value) {
    let k = usize::try_from(delta["k"].as_u64().unwrap()).unwrap();
    let metrics: Vec<String> = serde_json::from_value(state["metrics"].clone()).unwrap();
    let item = &mut state["series"][k];
    assert_eq!(
        item["n"], delta["i"],
        "appended points follow those that are there"
    );
    for metric in &metrics {
        let appended = delta[metric].as_array().cloned().unwrap_or_default();
        item[metric]["v"].as_array_mut().unwrap().extend(appended);
    }
    for member in ["coverage", "state"] {
        item[member]
            .as_array_mut()
            .unwrap()
            .extend(delta[member].as_array().unwrap().iter().cloned());
    }
    item["n"] = json!(item["coverage"].as_array().unwrap().len());
    for replaced in delta["replace"].as_array().into_iter().flatten() {
        let i = usize::try_from(replaced[0].as_u64().unwrap()).unwrap();
        for (member, value) in replaced[1].as_object().unwrap() {
            if metrics.contains(member) {
                item[member]["v"][i] = value.clone();
            } else {
                item[member][i] = value.clone();
            }
        }
    }
    for member in ["watermark", "end", "stale"] {
        state[member] = delta[member].clone();
    }
}

/// Applies a merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in members {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(
                target
                    .as_object_mut()
                    .unwrap()
                    .entry(name)
                    .or_insert(Value::Null),
                value,
            );
        }
    }
}
