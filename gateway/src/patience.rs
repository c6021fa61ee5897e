//! How long a connection waits for its client: the keep-alive, packets that were begun, replies that are not fetched.
//!
//! Time that the gateway itself does not read, because Kafka is away, is nobody's silence.

use std::time::Duration;

use tokio::time::Instant;

use crate::close::Close;

/// How long a client may not fetch its replies.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A deadline for when there is none.
pub(crate) const NEVER: Duration = Duration::from_hours(24);

/// See the module.
#[derive(Debug)]
pub(crate) struct Patience {
    /// How long nothing may come.
    silence_max: Option<Duration>,
    /// How long a packet may take from its first byte to its last.
    packet_max: Duration,
    last_packet: Instant,
    packet_begun: Option<Instant>,
    write_blocked: Option<Instant>,
    is_paused: bool,
}

impl Patience {
    pub(crate) fn new(silence_max: Option<Duration>, packet_max: Duration) -> Self {
        Self {
            silence_max,
            packet_max,
            last_packet: Instant::now(),
            packet_begun: None,
            write_blocked: None,
            is_paused: false,
        }
    }

    /// Packets that were read at `received` were taken in, perhaps none; the input `is_within_packet` now.
    pub(crate) fn took_in(&mut self, count: usize, received: Instant, is_within_packet: bool) {
        // What was read before a pause counts from its end.
        let received = if self.is_paused {
            Instant::now()
        } else {
            received
        };
        if count > 0 {
            self.last_packet = received;
            self.packet_begun = None;
        }
        if is_within_packet {
            self.packet_begun.get_or_insert(received);
        } else {
            self.packet_begun = None;
        }
    }

    /// Reading pauses or goes on.
    pub(crate) fn set_paused(&mut self, is_paused: bool) {
        if self.is_paused && !is_paused {
            self.last_packet = Instant::now();
        }
        if is_paused {
            self.packet_begun = None;
        }
        self.is_paused = is_paused;
    }

    /// The client took some of its replies.
    pub(crate) fn wrote(&mut self) {
        self.write_blocked = None;
    }

    /// The client takes no more replies for now.
    pub(crate) fn write_blocked(&mut self) {
        self.write_blocked.get_or_insert_with(Instant::now);
    }

    fn deadlines(&self) -> [Option<(Instant, Close)>; 3] {
        let silence_max = self.silence_max.filter(|_| !self.is_paused);
        let after =
            |since: Option<Instant>, max: Duration, close| since.map(|since| (since + max, close));
        [
            after(self.write_blocked, WRITE_TIMEOUT, Close::NotReading),
            after(self.packet_begun, self.packet_max, Close::Slow),
            silence_max.map(|max| (self.last_packet + max, Close::KeepAlive)),
        ]
    }

    /// When to look at the clock again at the latest.
    pub(crate) fn deadline(&self) -> Instant {
        let deadlines = self.deadlines().into_iter().flatten();
        deadlines
            .map(|(deadline, _)| deadline)
            .min()
            .unwrap_or_else(|| Instant::now() + NEVER)
    }

    /// Why the connection ends, when it was waited for long enough.
    pub(crate) fn is_over(&self) -> Option<Close> {
        let now = Instant::now();
        self.deadlines()
            .into_iter()
            .flatten()
            .find_map(|(deadline, close)| (deadline <= now).then_some(close))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_unless_the_gateway_did_not_listen() {
        let mut patience = Patience::new(Some(3 * SECOND), SECOND);
        advance(2 * SECOND).await;
        patience.took_in(1, Instant::now(), false);
        advance(2 * SECOND).await;
        assert_eq!(patience.is_over(), None);
        patience.set_paused(true);
        advance(100 * SECOND).await;
        assert_eq!(patience.is_over(), None);
        patience.set_paused(false);
        advance(2 * SECOND).await;
        assert_eq!(patience.is_over(), None);
        assert_eq!(patience.deadline(), Instant::now() + SECOND);
        advance(SECOND).await;
        assert_eq!(patience.is_over(), Some(Close::KeepAlive));
    }

    #[tokio::test(start_paused = true)]
    async fn a_packet_that_was_begun_before_a_pause_has_its_time_after_it() {
        let mut patience = Patience::new(None, SECOND);
        let received = Instant::now();
        patience.took_in(0, received, true);
        patience.set_paused(true);
        advance(100 * SECOND).await;
        patience.took_in(1, received, true);
        patience.set_paused(false);
        assert_eq!(patience.is_over(), None);
        advance(SECOND).await;
        assert_eq!(patience.is_over(), Some(Close::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn a_packet_that_was_begun_has_to_end() {
        let mut patience = Patience::new(None, SECOND);
        assert!(patience.deadline() > Instant::now() + NEVER / 2);
        let begun = Instant::now();
        patience.took_in(0, begun, true);
        advance(SECOND / 2).await;
        patience.took_in(0, Instant::now(), true);
        assert_eq!(
            patience.deadline(),
            begun + SECOND,
            "more bytes are no new beginning"
        );
        patience.took_in(1, Instant::now(), true);
        advance(SECOND / 2).await;
        assert_eq!(patience.is_over(), None, "that was the next packet");
        advance(SECOND / 2).await;
        assert_eq!(patience.is_over(), Some(Close::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_to_fetch_its_replies() {
        let mut patience = Patience::new(None, SECOND);
        patience.write_blocked();
        advance(WRITE_TIMEOUT / 2).await;
        patience.write_blocked();
        advance(WRITE_TIMEOUT / 2).await;
        assert_eq!(patience.is_over(), Some(Close::NotReading));
        patience.wrote();
        assert_eq!(patience.is_over(), None);
    }
}
