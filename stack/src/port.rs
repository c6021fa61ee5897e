//! Ports on loopback: finding a free one, and naming the process that holds a taken one.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use rand::RngExt;

use crate::error::{Result, StackError};
use crate::identity::Identity;

/// Where free ports are looked for: below the range that systems give to outgoing connections (32768 and up on Linux). A server
/// that is away for a while would find its port in use otherwise, by a client that happened to be given it; a client that
/// keeps dialling such a port can even connect to itself.
const FREE: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried before giving up.
const TRIES_MAX: usize = 200;

/// `LISTEN` in `/proc/net/tcp`.
const STATE_LISTEN: &str = "0A";

/// Who listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A process that we may see.
    Process {
        /// Its pid.
        pid: u32,
        /// Its command line, shortened.
        command: String,
    },
    /// A process of another user, or on a system that does not tell.
    Unknown,
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, command } => write!(out, "process {pid} ({command})"),
            Self::Unknown => out.write_str("a process that this user may not see"),
        }
    }
}

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

/// The process that listens on a TCP port of this machine.
#[must_use]
pub fn holder(port: u16) -> Holder {
    let sockets = listening_sockets(port);
    processes()
        .find(|pid| has_any_socket(*pid, &sockets))
        .map_or(Holder::Unknown, |pid| {
            let command = Identity::command_line(pid).chars().take(120).collect();
            Holder::Process { pid, command }
        })
}

/// Whether `pid` listens on a TCP port of this machine. True where the system does not tell: without `/proc`, or in a container
/// whose root may not look into the processes of other accounts.
pub(crate) fn is_held_by(port: u16, pid: u32) -> bool {
    let sockets = listening_sockets(port);
    let is_hidden = fs::read_dir(format!("/proc/{pid}/fd")).is_err();
    sockets.is_empty() || is_hidden || has_any_socket(pid, &sockets)
}

/// The sockets that listen on a port, as `/proc/PID/fd` names them.
fn listening_sockets(port: u16) -> HashSet<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect()
}

/// The inodes of sockets in one of the kernel's tables that listen on `port`. Columns: slot, local address as hex
/// `ADDRESS:PORT`, remote address, state, three pairs, uid, timeout, inode.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_ascii_whitespace().collect();
            let (_, local_port) = columns.get(1)?.rsplit_once(':')?;
            let is_ours = u16::from_str_radix(local_port, 16) == Ok(port);
            (is_ours && columns.get(3) == Some(&STATE_LISTEN))
                .then(|| columns.get(9).map(ToString::to_string))?
        })
        .collect()
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn has_any_socket(pid: u32, sockets: &HashSet<String>) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .any(|target| {
            target
                .to_str()
                .is_some_and(|target| sockets.contains(target))
        })
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
        assert!(is_held_by(port, std::process::id()) && !is_held_by(port, 1));
        drop(listener);
        assert_eq!(claim(port, "Kafka", "--kafka-port").unwrap(), port);
    }

    #[test]
    fn a_free_port_can_be_listened_on_and_lies_below_those_of_outgoing_connections() {
        let port = claim(0, "Redis", "--redis-port").unwrap();
        assert!(FREE.contains(&port));
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn only_listening_sockets_of_that_very_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:4A94 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 111 1\n\
            1: 0100007F:4A94 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 0 0 222 1\n\
            2: 0100007F:4A95 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 333 1\n";
        assert_eq!(listening_inodes(table, 0x4A94), ["111"]);
    }
}
