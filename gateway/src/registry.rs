//! Who is connected: for shutdown, and so that a client id belongs to one connection at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::signal::{Flag, Signal};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    next_id: u64,
    /// Raised on connections that come after a shutdown began.
    raised: Option<Flag>,
    signals: HashMap<u64, Arc<Signal>>,
    clients: HashMap<String, u64>,
}

/// The place of a connection in the registry; leaving is dropping it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) id: u64,
    pub(crate) signal: Arc<Signal>,
    registry: Arc<Registry>,
    client_id: Option<String>,
}

impl Registry {
    /// A place for a new connection that is woken through `signal`.
    pub(crate) fn enter(self: &Arc<Self>, signal: Arc<Signal>) -> Seat {
        let mut connections = self.lock();
        let id = connections.next_id;
        connections.next_id += 1;
        if let Some(flag) = connections.raised {
            signal.raise(flag);
        }
        connections.signals.insert(id, Arc::clone(&signal));
        Seat {
            id,
            signal,
            registry: Arc::clone(self),
            client_id: None,
        }
    }

    /// Raises `flag` on every connection there is and will be.
    pub(crate) fn raise_all(&self, flag: Flag) {
        let mut connections = self.lock();
        connections.raised = Some(flag);
        for signal in connections.signals.values() {
            signal.raise(flag);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().signals.len()
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .expect("no holder of this lock panics")
    }
}

impl Seat {
    /// Takes `client_id` for this connection. The one that had it is told to leave and returned, so that its end can be
    /// waited for.
    pub(crate) fn claim(&mut self, client_id: &str) -> Option<Arc<Signal>> {
        self.client_id = Some(client_id.to_owned());
        let mut connections = self.registry.lock();
        let earlier = connections.clients.insert(client_id.to_owned(), self.id)?;
        let signal = connections.signals.get(&earlier).cloned()?;
        signal.raise(Flag::TakenOver);
        Some(signal)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut connections = self.registry.lock();
        connections.signals.remove(&self.id);
        if let Some(client_id) = &self.client_id
            && connections.clients.get(client_id) == Some(&self.id)
        {
            connections.clients.remove(client_id);
        }
        self.signal.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    fn enter(registry: &Arc<Registry>) -> Seat {
        registry.enter(Arc::new(Signal::new(Arc::new(Budget::new(1)))))
    }

    #[tokio::test]
    async fn a_client_id_belongs_to_the_connection_that_came_last() {
        let registry = Arc::new(Registry::default());
        let (mut first, mut second, mut third) =
            (enter(&registry), enter(&registry), enter(&registry));
        assert!(first.claim("reader").is_none());
        let earlier = second.claim("reader").unwrap();
        assert!(earlier.is_raised(Flag::TakenOver));
        drop(first);
        earlier.ended().await;
        let earlier = third.claim("reader").unwrap();
        assert!(Arc::ptr_eq(&earlier, &second.signal));
        drop(third);
        assert_eq!(registry.len(), 1);
    }

    #[test]
    fn a_connection_that_comes_after_shutdown_began_is_told_too() {
        let registry = Arc::new(Registry::default());
        let before = enter(&registry);
        registry.raise_all(Flag::Shutdown);
        let after = enter(&registry);
        assert!(before.signal.is_raised(Flag::Shutdown));
        assert!(after.signal.is_raised(Flag::Shutdown));
    }
}
