//! Addresses as people write them: a port, `localhost` and a port, an IP and a port. For clap's `value_parser`.

use std::net::{Ipv4Addr, SocketAddr};

/// Where to listen: `1883` and `localhost:1883` mean loopback.
///
/// # Errors
/// A sentence that says what was expected.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse().map_err(|_| {
        "expected an address such as 127.0.0.1:1883, or a port to listen at on loopback".to_owned()
    })
}

/// Where to connect: a host and a port, or a port of this machine.
///
/// # Errors
/// A sentence that says what was expected.
pub fn connect(text: &str) -> Result<String, String> {
    if text.parse::<u16>().is_ok_and(|port| port > 0) {
        return Ok(format!("127.0.0.1:{text}"));
    }
    if is_host_and_port(text) {
        return Ok(text.to_owned());
    }
    Err("expected host:port such as 127.0.0.1:1883, or a port of this machine".to_owned())
}

/// Whether a text is a host and a port that can be connected to.
#[must_use]
pub fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !host.is_empty() && host.bytes().all(is_letter)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_listens_on_loopback() {
        for text in ["1884", "localhost:1884", "127.0.0.1:1884"] {
            assert_eq!(listen(text).unwrap().to_string(), "127.0.0.1:1884");
        }
        assert_eq!(listen("[::]:80").unwrap().to_string(), "[::]:80");
        assert_eq!(listen("0").unwrap().port(), 0);
        for wrong in ["", "nonsense", "127.0.0.1", "127.0.0.1:99999", "host:80"] {
            let message = listen(wrong).unwrap_err();
            assert!(message.contains("such as 127.0.0.1:1883"), "{message}");
        }
    }

    #[test]
    fn a_connection_needs_a_host_and_a_port_that_exist() {
        assert_eq!(connect("1883").unwrap(), "127.0.0.1:1883");
        for right in ["gateway.local:1883", "127.0.0.1:1", "[::1]:1883"] {
            assert_eq!(connect(right).unwrap(), right);
        }
        for wrong in [
            "nonsense",
            "127.0.0.1:99999",
            "h:0",
            "0",
            ":1883",
            "not a host!!:1",
            "::1:80",
        ] {
            let message = connect(wrong).unwrap_err();
            assert!(message.contains("such as 127.0.0.1:1883"), "{wrong}");
        }
    }
}
