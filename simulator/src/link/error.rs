//! Why connections end.

use std::io;

use rumqttc::ConnectReturnCode;
use thiserror::Error;

/// Why a device cannot go on at all; everything else is retried.
#[derive(Debug, Error)]
pub(crate) enum LinkError {
    /// The broker will not have us, now or later.
    #[error("{address} refused {client_id}: {code:?}")]
    Refused {
        address: String,
        client_id: String,
        code: ConnectReturnCode,
    },
}

/// Why a connection ended.
#[derive(Debug, Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("malformed packet: {0}")]
    Malformed(rumqttc::mqttbytes::Error),
    #[error("closed by the broker")]
    Closed,
    #[error("silent for {} s", super::SILENCE.as_secs())]
    Silent,
    #[error("unexpected {0}")]
    Unexpected(&'static str),
    #[error("refused: {0:?}")]
    Refused(ConnectReturnCode),
}
