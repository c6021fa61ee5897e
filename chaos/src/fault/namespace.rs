//! Half-open TCP: a network namespace whose one cable can be cut silently, each way.
//!
//! A proxy can hold bytes back, but the kernel behind it still acknowledges them. Here the far end of a connection lives in a
//! namespace of its own, joined to ours by a virtual cable; once the cable is cut, packets vanish without an error and without a
//! reset, as when somebody pulls a plug. A queue that holds no packet is what drops them, because it needs no module beyond the
//! kernel's own. A thread that has [entered](Entrance::enter) the namespace makes its sockets there.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{Unavailable, run};

/// Which way the cable carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the namespace to us.
    Outward,
    /// From us into the namespace.
    Inward,
    /// Neither way.
    Both,
}

/// Numbers the namespaces of this process; a network of four addresses each.
static NEXT: AtomicU8 = AtomicU8::new(0);

const WHAT: &str = "a network namespace";

/// A namespace and its cable. Dropping it removes both.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    /// Our end of the cable.
    near: String,
    /// The other end.
    far: String,
    /// Our address on the cable.
    pub near_address: Ipv4Addr,
}

impl Namespace {
    /// Makes a namespace and plugs its cable in.
    ///
    /// # Errors
    /// [`Unavailable`] without the right to do so, or without `ip` and `tc` (iproute2).
    pub fn make() -> Result<Self, Unavailable> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % 64;
        let id = format!("{:x}-{number}", std::process::id());
        // Different processes may do this at once, so the network depends on the process too.
        let net = u8::try_from(std::process::id() % 251).expect("a remainder of 251 fits");
        let address = |last| Ipv4Addr::new(10, 231, net, number * 4 + last);
        let made = Self {
            name: format!("chaos-{id}"),
            near: format!("cn{id}"),
            far: format!("cf{id}"),
            near_address: address(1),
        };
        let Self {
            name, near, far, ..
        } = &made;
        run(WHAT, "ip", &["netns", "add", name])?;
        // From here on, dropping `made` removes what there is.
        let cable = [
            "link", "add", near, "type", "veth", "peer", "name", far, "netns", name,
        ];
        run(WHAT, "ip", &cable)?;
        let (near_net, far_net) = (format!("{}/30", address(1)), format!("{}/30", address(2)));
        run(WHAT, "ip", &["addr", "add", &near_net, "dev", near])?;
        run(WHAT, "ip", &["link", "set", near, "up"])?;
        run(
            WHAT,
            "ip",
            &["-n", name, "addr", "add", &far_net, "dev", far],
        )?;
        run(WHAT, "ip", &["-n", name, "link", "set", far, "up"])?;
        Ok(made)
    }

    /// The way in.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn entrance(&self) -> std::io::Result<Entrance> {
        let file = File::open(format!("/run/netns/{}", self.name))?;
        Ok(Entrance { file })
    }

    /// Cuts the cable: what is sent that way vanishes.
    ///
    /// # Errors
    /// [`Unavailable`] when the kernel has no such queue.
    pub fn cut(&self, way: Way) -> Result<(), Unavailable> {
        let Self {
            name, near, far, ..
        } = self;
        let hole = ["root", "pfifo", "limit", "0"];
        if way != Way::Outward {
            run(
                WHAT,
                "tc",
                &[&["qdisc", "replace", "dev", near][..], &hole].concat(),
            )?;
        }
        if way != Way::Inward {
            run(
                WHAT,
                "tc",
                &[&["-n", name, "qdisc", "replace", "dev", far][..], &hole].concat(),
            )?;
        }
        Ok(())
    }

    /// Mends the cable.
    ///
    /// # Errors
    /// [`Unavailable`] when the namespace is gone.
    pub fn mend(&self) -> Result<(), Unavailable> {
        let Self {
            name, near, far, ..
        } = self;
        // Whichever way was not cut has no queue to remove, so both get a good one.
        let good = ["root", "pfifo", "limit", "1000"];
        run(
            WHAT,
            "tc",
            &[&["qdisc", "replace", "dev", near][..], &good].concat(),
        )?;
        run(
            WHAT,
            "tc",
            &[&["-n", name, "qdisc", "replace", "dev", far][..], &good].concat(),
        )
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cable goes with either of its ends; a thread that is still inside keeps the namespace alive, but not its name.
        for args in [["link", "del", &self.near], ["netns", "del", &self.name]] {
            if let Err(error) = run("removing a namespace", "ip", &args) {
                tracing::debug!("{error}");
            }
        }
    }
}

/// The way into a namespace, for a thread.
#[derive(Debug)]
pub struct Entrance {
    file: File,
}

impl Entrance {
    /// Moves the calling thread into the namespace for good: sockets it makes from now on are there. Those it has stay here.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter(self) -> std::io::Result<()> {
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cut_cable_carries_nothing_and_nobody_is_told() {
        let namespace = match Namespace::make() {
            Ok(namespace) => namespace,
            Err(why) => return eprintln!("SKIPPED: {why}"),
        };
        let listener = TcpListener::bind((namespace.near_address, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let device = thread::scope(|scope| {
            let connecting = scope.spawn(|| {
                namespace.entrance().unwrap().enter().unwrap();
                TcpStream::connect(address).unwrap()
            });
            connecting.join().unwrap()
        });
        let (mut gateway, from) = listener.accept().unwrap();
        assert_ne!(from.ip(), address.ip(), "it comes through the cable");
        gateway
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let hears = |mut device: &TcpStream, gateway: &mut TcpStream| {
            device.write_all(b"!").unwrap();
            match gateway.read(&mut [0; 8]) {
                Ok(count) => count > 0,
                Err(error) => {
                    assert!(matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut
                    ));
                    false
                }
            }
        };
        assert!(hears(&device, &mut gateway));
        namespace.cut(Way::Outward).unwrap();
        assert!(!hears(&device, &mut gateway));
        namespace.mend().unwrap();
        gateway
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert!(
            hears(&device, &mut gateway),
            "TCP sends again what was lost"
        );
        namespace.cut(Way::Inward).unwrap();
        gateway
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        gateway.write_all(b"?").unwrap();
        device
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        assert!((&device).read(&mut [0; 8]).is_err());
    }
}
