//! What the fuzzer in `fuzz/` calls. Each function takes any bytes and panics when a promise is broken.
//!
//! - `mqtt_stream`: the bytes of one connection, however they arrive;
//! - `mqtt_listener`: several connections, Kafka's confirmations and the clock, in any order;
//! - `routes`: a route table.

pub(crate) mod oracle;
mod routes;
mod stream;
mod tray;
pub(crate) mod wire;

pub use routes::routes;
pub use stream::mqtt_stream;
pub(crate) use tray::Tray;

pub use crate::connection::fuzzing::mqtt_listener;

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;
    use super::*;

    #[test]
    fn the_corpus_of_byte_streams_holds() {
        replay("mqtt_stream", mqtt_stream);
    }

    #[test]
    fn the_corpus_of_listeners_holds() {
        replay("mqtt_listener", mqtt_listener);
    }

    #[test]
    fn the_corpus_of_route_tables_holds() {
        replay("routes", routes);
    }
}
