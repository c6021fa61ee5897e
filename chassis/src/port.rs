//! Listening on a port, and naming the process that holds a taken one.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;

use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};

/// `LISTEN` in `/proc/net/tcp`.
const STATE_LISTEN: &str = "0A";
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Why a role cannot listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Somebody else does.
    #[error("port {} for {what} is taken by {holder}: choose another one with `{flag} PORT`", .address.port())]
    Taken {
        /// The address that was asked for.
        address: SocketAddr,
        /// Who should have listened there.
        what: &'static str,
        /// Who does.
        holder: Holder,
        /// The flag that chooses another address.
        flag: &'static str,
    },
    /// The address is not ours, or not allowed.
    #[error("{flag} is \"{address}\", where {what} cannot listen")]
    Refused {
        /// The address that was asked for.
        address: SocketAddr,
        /// Who should have listened there.
        what: &'static str,
        /// The flag that chooses another address.
        flag: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Listens at `address`.
///
/// # Errors
/// [`ListenError`], which names the process that has the port and the flag that would avoid it.
pub fn listen(
    address: SocketAddr,
    what: &'static str,
    flag: &'static str,
) -> Result<TcpListener, ListenError> {
    Reserved::new(address, what, flag)?.listen()
}

/// An address that is ours, where nobody is let in yet.
#[derive(Debug)]
pub struct Reserved {
    socket: TcpSocket,
    address: SocketAddr,
    what: &'static str,
    flag: &'static str,
}

impl Reserved {
    /// Takes `address`.
    ///
    /// # Errors
    /// [`ListenError`], when it is taken or cannot be listened at.
    pub fn new(
        address: SocketAddr,
        what: &'static str,
        flag: &'static str,
    ) -> Result<Self, ListenError> {
        let bound = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }
        .and_then(|socket| {
            // As every listener does: an address that the process before this one has just left can be taken.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(socket)
        });
        match bound {
            Ok(socket) => Ok(Self {
                socket,
                address,
                what,
                flag,
            }),
            Err(source) => Err(ListenError::new(source, address, what, flag)),
        }
    }

    /// Lets connections in.
    ///
    /// # Errors
    /// [`ListenError`], when somebody else listens there meanwhile.
    pub fn listen(self) -> Result<TcpListener, ListenError> {
        let Self {
            socket,
            address,
            what,
            flag,
        } = self;
        socket
            .listen(BACKLOG)
            .map_err(|source| ListenError::new(source, address, what, flag))
    }
}

impl ListenError {
    fn new(
        source: std::io::Error,
        address: SocketAddr,
        what: &'static str,
        flag: &'static str,
    ) -> Self {
        match source.kind() {
            ErrorKind::AddrInUse => Self::Taken {
                address,
                what,
                holder: holder(address.port()),
                flag,
            },
            _ => Self::Refused {
                address,
                what,
                flag,
                source,
            },
        }
    }
}

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

/// The process that listens on a TCP port of this machine.
#[must_use]
pub fn holder(port: u16) -> Holder {
    let sockets = listening_sockets(port);
    processes()
        .find(|pid| has_any_socket(*pid, &sockets))
        .map_or(Holder::Unknown, |pid| {
            let command = command_line(pid).chars().take(120).collect();
            Holder::Process { pid, command }
        })
}

/// Whether `pid` listens on a TCP port of this machine. True where the system does not tell: without `/proc`, or in a container
/// whose root may not look into the processes of other accounts.
#[must_use]
pub fn is_held_by(port: u16, pid: u32) -> bool {
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

/// The command line of a process, words separated by spaces; empty where the system does not tell.
#[must_use]
pub fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = bytes
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(String::from_utf8_lossy)
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_names_the_process_that_has_it_and_the_flag() {
        let held = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = held.local_addr().unwrap();
        let error = listen(address, "the gateway", "--mqtt-bind");
        let message = error.unwrap_err().to_string();
        let own = format!("is taken by process {}", std::process::id());
        assert!(
            message.contains(&own) && message.contains("`--mqtt-bind PORT`"),
            "{message}"
        );
        let port = address.port();
        assert!(is_held_by(port, std::process::id()) && !is_held_by(port, 1));
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
