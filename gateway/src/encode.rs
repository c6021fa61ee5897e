//! Replies as bytes, through the packet codec of `rumqttc`.

use bytes::BytesMut;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

use crate::packet::{Accepted, Outcome, Refusal, Reply, Version};

/// Why a subscription is refused, for clients that read reasons.
pub(crate) const NOTHING_TO_DELIVER: &str =
    "this listener takes publishes in and delivers nothing; read events from the API";

/// Appends `reply` to `output`.
pub(crate) fn encode(version: Version, reply: &Reply, output: &mut BytesMut) {
    let written = match version {
        Version::V4 => encode_v4(reply, output).is_ok(),
        Version::V5 => encode_v5(reply, output).is_ok(),
    };
    assert!(written, "packet ids are never 0 and lengths are small");
}

fn encode_v4(reply: &Reply, output: &mut BytesMut) -> Result<usize, rumqttc::mqttbytes::Error> {
    match *reply {
        Reply::Accepted(_) => v4::ConnAck::new(v4::ConnectReturnCode::Success, false).write(output),
        Reply::Refused(refusal) => v4::ConnAck::new(refusal_v4(refusal), false).write(output),
        Reply::PubAck { pkid, .. } => v4::PubAck::new(pkid).write(output),
        Reply::PubRec { pkid, .. } => v4::PubRec::new(pkid).write(output),
        Reply::PubComp { pkid, .. } => v4::PubComp::new(pkid).write(output),
        Reply::SubAck { pkid, filters, .. } => {
            v4::SubAck::new(pkid, vec![v4::SubscribeReasonCode::Failure; filters]).write(output)
        }
        Reply::UnsubAck { pkid, .. } => v4::UnsubAck::new(pkid).write(output),
        Reply::PingResp => v4::PingResp.write(output),
        Reply::Disconnect { .. } => Ok(0),
    }
}

fn encode_v5(reply: &Reply, output: &mut BytesMut) -> Result<usize, rumqttc::v5::mqttbytes::Error> {
    match reply {
        Reply::Accepted(accepted) => connack_v5(accepted).write(output),
        // The version of the client is not known then; this form is what all of them understand.
        Reply::Refused(Refusal::ProtocolVersion) => {
            Ok(encode_v4(reply, output).unwrap_or_default())
        }
        Reply::Refused(refusal) => v5::ConnAck {
            session_present: false,
            code: refusal_v5(*refusal),
            properties: None,
        }
        .write(output),
        &Reply::PubAck { pkid, outcome } => v5::PubAck {
            reason: match outcome {
                Outcome::Accepted => v5::PubAckReason::Success,
                Outcome::PayloadRefused => v5::PubAckReason::PayloadFormatInvalid,
                Outcome::TopicRefused => v5::PubAckReason::TopicNameInvalid,
            },
            ..v5::PubAck::new(pkid, None)
        }
        .write(output),
        &Reply::PubRec { pkid, outcome } => v5::PubRec {
            reason: match outcome {
                Outcome::Accepted => v5::PubRecReason::Success,
                Outcome::PayloadRefused => v5::PubRecReason::PayloadFormatInvalid,
                Outcome::TopicRefused => v5::PubRecReason::TopicNameInvalid,
            },
            ..v5::PubRec::new(pkid, None)
        }
        .write(output),
        &Reply::PubComp { pkid, is_known } => v5::PubComp {
            reason: if is_known {
                v5::PubCompReason::Success
            } else {
                v5::PubCompReason::PacketIdentifierNotFound
            },
            ..v5::PubComp::new(pkid, None)
        }
        .write(output),
        &Reply::SubAck {
            pkid,
            filters,
            with_reason,
        } => v5::SubAck {
            pkid,
            return_codes: vec![v5::SubscribeReasonCode::ImplementationSpecific; filters],
            properties: with_reason.then(|| v5::SubAckProperties {
                reason_string: Some(NOTHING_TO_DELIVER.to_owned()),
                user_properties: Vec::new(),
            }),
        }
        .write(output),
        &Reply::UnsubAck { pkid, filters } => v5::UnsubAck {
            pkid,
            reasons: vec![v5::UnsubAckReason::NoSubscriptionExisted; filters],
            properties: None,
        }
        .write(output),
        Reply::PingResp => v5::PingResp::write(output),
        // Written here: the codec announces one byte and writes two when there are no properties.
        &Reply::Disconnect { reason_code } => {
            output.extend_from_slice(&[0xe0, 1, reason_code]);
            Ok(3)
        }
    }
}

fn connack_v5(accepted: &Accepted) -> v5::ConnAck {
    v5::ConnAck {
        session_present: false,
        code: v5::ConnectReturnCode::Success,
        properties: Some(v5::ConnAckProperties {
            // No session outlives its connection: what was not acknowledged is sent again by the device.
            session_expiry_interval: Some(0),
            receive_max: Some(accepted.receive_maximum),
            max_packet_size: Some(accepted.packet_bytes_max),
            assigned_client_identifier: accepted.assigned_client_id.clone(),
            topic_alias_max: Some(accepted.topic_alias_maximum),
            wildcard_subscription_available: Some(0),
            subscription_identifiers_available: Some(0),
            shared_subscription_available: Some(0),
            max_qos: None,
            // Left out, which says yes: many devices retain their status, and nobody here can tell the difference.
            retain_available: None,
            reason_string: None,
            user_properties: Vec::new(),
            server_keep_alive: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        }),
    }
}

fn refusal_v4(refusal: Refusal) -> v4::ConnectReturnCode {
    match refusal {
        Refusal::ProtocolVersion => v4::ConnectReturnCode::RefusedProtocolVersion,
        Refusal::ClientId => v4::ConnectReturnCode::BadClientId,
        // 3.1.1 has no word for either; "not authorized" is the one that clients do not retry at once.
        Refusal::AuthenticationMethod | Refusal::WillTopic => v4::ConnectReturnCode::NotAuthorized,
    }
}

fn refusal_v5(refusal: Refusal) -> v5::ConnectReturnCode {
    match refusal {
        Refusal::ProtocolVersion => v5::ConnectReturnCode::UnsupportedProtocolVersion,
        Refusal::ClientId => v5::ConnectReturnCode::ClientIdentifierNotValid,
        Refusal::AuthenticationMethod => v5::ConnectReturnCode::BadAuthenticationMethod,
        Refusal::WillTopic => v5::ConnectReturnCode::TopicNameInvalid,
    }
}
