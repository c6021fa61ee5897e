//! Ports on loopback: finding a free one, and refusing a taken one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use chassis::port::holder;
use rand::RngExt;

use crate::error::{Result, StackError};

/// Where free ports are looked for: below the range that systems give to outgoing connections (32768 and up on Linux). A server
/// that is away for a while would find its port in use otherwise, by a client that happened to be given it; a client that
/// keeps dialling such a port can even connect to itself.
const FREE: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried before giving up.
const TRIES_MAX: usize = 200;

/// A port on 127.0.0.1 that nobody listens on now.
///
/// # Errors
/// When none of many random ones was free.
pub fn free() -> Result<u16> {
    let mut random = rand::rng();
    (0..TRIES_MAX)
        .map(|_| random.random_range(FREE))
        .find(|port| is_free(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))))
        .ok_or_else(|| StackError::Process {
            what: format!(
                "finding a free port between {} and {}",
                FREE.start, FREE.end
            ),
            source: std::io::ErrorKind::AddrInUse.into(),
        })
}

/// `wanted`, or a free one for 0.
///
/// # Errors
/// [`StackError::PortTaken`] with the process that has it and the `flag` that would avoid it.
pub fn claim(wanted: u16, server: &str, flag: &str) -> Result<u16> {
    if wanted == 0 {
        return free();
    }
    check_free(
        SocketAddr::from((Ipv4Addr::LOCALHOST, wanted)),
        server,
        flag,
    )?;
    Ok(wanted)
}

/// Makes sure that a server could listen at `address`.
///
/// # Errors
/// [`StackError::PortTaken`], or an IO error for an address that is not ours to listen at.
pub fn check_free(address: SocketAddr, server: &str, flag: &str) -> Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(StackError::PortTaken {
            port: address.port(),
            server: server.to_owned(),
            holder: holder(address.port()),
            flag: flag.to_owned(),
        }),
        Err(source) => Err(StackError::Process {
            what: format!("listening at {address} for {server}"),
            source,
        }),
    }
}

fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_the_process_that_has_it_and_the_way_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let message = claim(port, "Kafka", "--kafka-port")
            .unwrap_err()
            .to_string();
        let own = format!("is taken by process {}", std::process::id());
        assert!(message.contains(&own), "{message}");
        assert!(message.contains("--kafka-port"), "{message}");
        drop(listener);
        assert_eq!(claim(port, "Kafka", "--kafka-port").unwrap(), port);
    }

    #[test]
    fn a_free_port_can_be_listened_on_and_lies_below_those_of_outgoing_connections() {
        let port = claim(0, "Redis", "--redis-port").unwrap();
        assert!(FREE.contains(&port));
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }
}
