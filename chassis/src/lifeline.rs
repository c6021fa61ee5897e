//! Whether a Kafka client still knows an address to ask.
//!
//! librdkafka since 2.10 forgets every broker, the bootstrap servers too, when a metadata response names none; and
//! then, if that response stops the re-bootstrap that was just scheduled, it asks nobody ever again (confluentinc/librdkafka
//! issue 5301; seen here with a single broker that was frozen past its session and fenced itself). Nothing inside the
//! client mends that, so its owner makes a new one.

use std::sync::atomic::{AtomicU32, Ordering};

use rdkafka::{ClientConfig, Statistics};

/// A client re-bootstraps in between two of its threads' turns; only a second look in a row means that it will not.
const LOOKS: u32 = 2;
/// Where a broker's address comes from when it is one that the client can connect to by itself.
const ADDRESSES: [&str; 2] = ["configured", "learned"];

/// Fed with a client's statistics, which [`watch`] turns on.
#[derive(Debug, Default)]
pub struct Lifeline {
    looks_without_address: AtomicU32,
}

/// Makes a client tell its context which addresses it knows, every two seconds.
pub fn watch(settings: &mut ClientConfig) {
    settings.set("statistics.interval.ms", "2000");
}

impl Lifeline {
    /// Takes in the client's statistics.
    pub fn observe(&self, statistics: &Statistics) {
        let sources = statistics.brokers.values().map(|broker| &broker.source);
        self.look(sources.map(String::as_str));
    }

    /// Whether the client has lost every address and will not find Kafka again.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.looks_without_address.load(Ordering::Relaxed) >= LOOKS
    }

    fn look<'a>(&self, sources: impl IntoIterator<Item = &'a str>) {
        let mut sources = sources.into_iter();
        if sources.any(|source| ADDRESSES.contains(&source)) {
            self.looks_without_address.store(0, Ordering::Relaxed);
        } else {
            self.looks_without_address.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lifeline;

    #[test]
    fn a_client_without_an_address_is_cut_off_at_the_second_look() {
        let lifeline = Lifeline::default();
        lifeline.look(["configured", "internal"]);
        lifeline.look(["learned", "logical"]);
        lifeline.look(["logical", "internal"]);
        assert!(!lifeline.is_cut(), "it may be re-bootstrapping");
        lifeline.look(["logical"]);
        assert!(lifeline.is_cut());
    }

    #[test]
    fn a_client_that_found_an_address_again_is_not_cut_off() {
        let lifeline = Lifeline::default();
        lifeline.look([]);
        lifeline.look(["configured"]);
        lifeline.look([]);
        assert!(!lifeline.is_cut());
    }
}
