use bytes::Bytes;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

const LIMITS: Limits = Limits {
    receive_maximum: 2,
    topic_alias_maximum: 4,
    topic_bytes_max: 16,
    packet_bytes_max: 1024,
};

fn connect(version: Version) -> Connect {
    Connect {
        version,
        client_id: "reader".to_owned(),
        clean_start: true,
        keep_alive: 60,
        will: None,
        has_authentication_method: false,
        wants_reasons: true,
    }
}

fn session(version: Version) -> Session {
    open(connect(version), &LIMITS, || unreachable!("it has a name"))
        .unwrap()
        .0
}

fn publish(topic: &str, qos: Qos, pkid: u16) -> Publish {
    Publish {
        topic: topic.to_owned(),
        alias: None,
        qos,
        pkid,
        payload: Bytes::new(),
        payload_bytes: 0,
        traceparent: None,
    }
}

fn at_least_once(pkid: u16) -> Packet {
    Packet::Publish(publish("a/b", Qos::AtLeastOnce, pkid))
}

fn exactly_once(pkid: u16) -> Packet {
    Packet::Publish(publish("a/b", Qos::ExactlyOnce, pkid))
}

fn is_taken(action: &Action) -> bool {
    matches!(action, Action::Publish(_))
}

fn pubrec(pkid: u16, outcome: Outcome) -> Acknowledgement {
    Acknowledgement::PubRec { pkid, outcome }
}

#[test]
fn a_session_is_opened_with_one_and_a_half_times_the_keep_alive() {
    let session = session(Version::V4);
    assert_eq!(session.silence_max, Some(Duration::from_secs(90)));
    let endless = Connect {
        keep_alive: 0,
        ..connect(Version::V4)
    };
    let (session, _) = open(endless, &LIMITS, String::new).unwrap();
    assert_eq!(session.silence_max, None);
}

#[test]
fn a_client_without_a_name_is_given_one() {
    let nameless = Connect {
        client_id: String::new(),
        ..connect(Version::V5)
    };
    let (session, reply) = open(nameless, &LIMITS, || "spare".to_owned()).unwrap();
    assert_eq!(session.client_id, "spare");
    let Reply::Accepted(accepted) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(accepted.assigned_client_id.as_deref(), Some("spare"));
}

#[rstest]
#[case(Connect { client_id: String::new(), clean_start: false, ..connect(Version::V4) }, Refusal::ClientId)]
#[case(Connect { client_id: "x".repeat(300), ..connect(Version::V4) }, Refusal::ClientId)]
#[case(Connect { client_id: "a\u{202e}b".to_owned(), ..connect(Version::V5) }, Refusal::ClientId)]
#[case(Connect { has_authentication_method: true, ..connect(Version::V5) }, Refusal::AuthenticationMethod)]
#[case(Connect { will: Some(Will { topic: "a/#".to_owned(), payload: Bytes::new(), traceparent: None }), ..connect(Version::V4) }, Refusal::WillTopic)]
fn a_connect_that_cannot_be_served_is_refused(#[case] connect: Connect, #[case] refusal: Refusal) {
    let refused = open(connect, &LIMITS, || "spare".to_owned()).unwrap_err();
    assert_eq!(refused, refusal);
}

#[rstest]
#[case("", Close::TopicName)]
#[case("a/+", Close::TopicName)]
#[case("a/#", Close::TopicName)]
#[case("a\0b", Close::TopicName)]
#[case("a/very/long/topic", Close::TopicName)]
fn a_topic_that_no_publish_may_have_ends_the_connection(#[case] topic: &str, #[case] close: Close) {
    let packet = Packet::Publish(publish(topic, Qos::AtMostOnce, 0));
    assert_eq!(session(Version::V4).packet(packet), Action::Close(close));
}

#[test]
fn an_alias_stands_for_the_topic_it_was_given() {
    let mut session = session(Version::V5);
    let mut named = publish("a/b", Qos::AtMostOnce, 0);
    named.alias = Some(4);
    assert!(is_taken(&session.packet(Packet::Publish(named))));
    let mut short = publish("", Qos::AtMostOnce, 0);
    short.alias = Some(4);
    let Action::Publish(resolved) = session.packet(Packet::Publish(short.clone())) else {
        panic!("the alias is known");
    };
    assert_eq!(resolved.topic, "a/b");
    for alias in [0, 1, 5] {
        short.alias = Some(alias);
        let action = session.packet(Packet::Publish(short.clone()));
        assert_eq!(action, Action::Close(Close::TopicAlias), "alias {alias}");
    }
}

#[test]
fn mqtt_5_clients_keep_to_the_receive_maximum() {
    let mut session = session(Version::V5);
    assert!(is_taken(&session.packet(at_least_once(1))));
    assert!(is_taken(&session.packet(exactly_once(2))));
    session.acknowledge(Acknowledgement::PubAck {
        pkid: 1,
        outcome: Outcome::Accepted,
    });
    assert!(is_taken(&session.packet(at_least_once(3))));
    session.acknowledge(pubrec(2, Outcome::Accepted));
    assert_eq!(
        session.packet(at_least_once(4)),
        Action::Close(Close::ReceiveMaximum),
        "2 counts until its PUBREL"
    );
}

#[test]
fn mqtt_3_clients_do_not_know_a_receive_maximum() {
    let mut session = session(Version::V4);
    assert!((1..100).all(|pkid| is_taken(&session.packet(at_least_once(pkid)))));
}

#[test]
fn exactly_once_is_released_once() {
    let mut session = session(Version::V4);
    assert!(is_taken(&session.packet(exactly_once(7))));
    let early = session.packet(Packet::PubRel { pkid: 7 });
    assert_eq!(
        early,
        Action::Reply(Reply::PubComp {
            pkid: 7,
            is_known: false
        })
    );
    session.acknowledge(pubrec(7, Outcome::Accepted));
    let again = session.packet(exactly_once(7));
    assert_eq!(
        again,
        Action::Repeat(Acknowledgement::PubRecAgain { pkid: 7 }),
        "it was taken in before"
    );
    for is_known in [true, false] {
        let action = session.packet(Packet::PubRel { pkid: 7 });
        assert_eq!(action, Action::Reply(Reply::PubComp { pkid: 7, is_known }));
    }
    assert!(is_taken(&session.packet(exactly_once(7))), "the id is free");
}

#[test]
fn a_refusing_pubrec_of_mqtt_5_frees_the_packet_id() {
    let mut session = session(Version::V5);
    assert!(is_taken(&session.packet(exactly_once(7))));
    session.acknowledge(pubrec(7, Outcome::PayloadRefused));
    assert!(is_taken(&session.packet(exactly_once(7))));
    assert!(is_taken(&session.packet(exactly_once(8))));
}

#[test]
fn a_subscription_is_refused_and_explained_once() {
    let mut session = session(Version::V5);
    let subscribe = Packet::Subscribe {
        pkid: 3,
        filters: 2,
    };
    let reply = Reply::SubAck {
        pkid: 3,
        filters: 2,
        with_reason: true,
    };
    assert_eq!(
        session.packet(subscribe.clone()),
        Action::RefuseSubscription(reply.clone())
    );
    assert_eq!(session.packet(subscribe), Action::Reply(reply));
}

#[rstest]
#[case(Close::Client { with_will: false }, false)]
#[case(Close::Client { with_will: true }, true)]
#[case(Close::Lost, true)]
#[case(Close::KeepAlive, true)]
#[case(Close::Malformed, true)]
#[case(Close::TakenOver, true)]
#[case(Close::Shutdown, false)]
fn a_will_is_published_unless_the_client_or_the_gateway_leaves_in_order(
    #[case] close: Close,
    #[case] is_published: bool,
) {
    let will = Will {
        topic: "a/status".to_owned(),
        payload: Bytes::from_static(b"offline"),
        traceparent: None,
    };
    let connect = Connect {
        will: Some(will),
        ..connect(Version::V5)
    };
    let (mut session, _) = open(connect, &LIMITS, String::new).unwrap();
    assert_eq!(session.take_will(close).is_some(), is_published);
    assert_eq!(session.take_will(close), None, "at most once");
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let qos = prop::sample::select(vec![Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce]);
    let topic = prop::sample::select(vec!["", "a", "a/b", "+", "much/too/long/a/topic"]);
    let alias = prop::option::of(0_u16..6);
    prop_oneof![
        8 => (qos, topic, 1_u16..4, alias).prop_map(|(qos, topic, pkid, alias)| {
            Packet::Publish(Publish { alias, ..publish(topic, qos, pkid) })
        }),
        3 => (1_u16..4).prop_map(|pkid| Packet::PubRel { pkid }),
        1 => Just(Packet::PingReq),
        1 => Just(Packet::Subscribe { pkid: 1, filters: 1 }),
        1 => Just(Packet::Unsubscribe { pkid: 1, filters: 1 }),
    ]
}

proptest! {
    /// Whatever a client sends, in whatever order Kafka's confirmations fall between: nothing panics, and what counts
    /// against the receive maximum is exactly what is owed or waits for its release.
    #[test]
    fn the_account_of_owed_publishes_always_balances(
        packets in prop::collection::vec((any_packet(), any::<bool>(), any::<bool>()), 0..200),
        is_v5 in any::<bool>(),
    ) {
        let mut session = session(if is_v5 { Version::V5 } else { Version::V4 });
        let mut owed = std::collections::VecDeque::new();
        for (packet, settles, is_refused) in packets {
            match session.packet(packet) {
                Action::Publish(publish) => {
                    let outcome = if is_refused { Outcome::PayloadRefused } else { Outcome::Accepted };
                    owed.push_back(Acknowledgement::of(&publish, outcome));
                }
                Action::Repeat(acknowledgement) => owed.push_back(acknowledgement),
                Action::Reply(_) | Action::RefuseSubscription(_) => {}
                // A real connection ends here; going on is the harder case.
                Action::Close(_) => {}
            }
            if settles {
                while let Some(acknowledgement) = owed.pop_front() {
                    session.acknowledge(acknowledgement);
                }
                prop_assert_eq!(session.outstanding, session.releasing.len());
            }
        }
    }
}
