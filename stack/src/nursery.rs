//! The one thread that starts children.
//!
//! The kernel's "end when your parent dies" (`PR_SET_PDEATHSIG`) means the parent *thread*. A child started from a test's thread
//! or from an idle pool thread would be ended in the middle of its work when that thread goes away, so every child is
//! started from a thread that lives as long as the process does.

use std::process::{Child, Command};
use std::sync::{LazyLock, mpsc};
use std::{io, thread};

type Order = (Command, mpsc::SyncSender<io::Result<Child>>);

static ORDERS: LazyLock<mpsc::SyncSender<Order>> = LazyLock::new(|| {
    let (orders, incoming) = mpsc::sync_channel::<Order>(16);
    thread::Builder::new()
        .name("nursery".to_owned())
        .spawn(move || {
            for (mut command, reply) in incoming {
                // An unclaimed child cannot happen: `spawn` below waits for the reply.
                if let Err(mpsc::SendError(Ok(mut orphan))) = reply.send(command.spawn())
                    && let Err(error) = orphan.kill()
                {
                    tracing::warn!(
                        process.pid = orphan.id(),
                        "an unclaimed child stays: {error}"
                    );
                }
            }
        })
        .expect("a process that may start children may start a thread");
    orders
});

/// Starts `command` from the nursery's thread.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (reply, answer) = mpsc::sync_channel(1);
    ORDERS
        .send((command, reply))
        .map_err(|_| io::Error::other("the nursery's thread is gone"))?;
    answer
        .recv()
        .map_err(|_| io::Error::other("the nursery's thread is gone"))?
}
