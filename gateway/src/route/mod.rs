//! The route table: which decoder reads which topic, and what the operator knows better than the device.
//!
//! ```toml
//! [[route]]                                  # the first route that matches wins
//! topic = "shop/{site}/uwb/{device}"         # {site}, {device}, {kind}, + and #
//! decoder = "native"
//! kind = "positions"                         # where the topic has no {kind}
//! device = "hub-1"                           # where the topic has no {device}; else the payload must name it
//! unit = "cm"                                # m, cm, mm or ft
//! timezone = "Europe/Berlin"                 # of timestamps that name no zone
//! zone = "entrance"                          # of kinds that speak of zones
//! ```

mod filter;
mod table;

use decoders::{Decoder, Overrides};

pub use filter::{FilterError, TopicFilter};
pub use table::RoutesError;

/// The filter of the built-in route.
pub const NATIVE_TOPIC: &str = "footfall/{site}/{device}/{kind}";

/// Routes in the order in which they are tried.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteTable {
    /// The first that matches wins.
    pub routes: Vec<Route>,
}

/// What happens with the publishes of some topics.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Which topics.
    pub filter: TopicFilter,
    /// Who reads them.
    pub decoder: Decoder,
    /// The device, where the topic does not name it.
    pub device: Option<String>,
    /// The kind of message, where the topic does not name it.
    pub kind: Option<String>,
    /// What the operator knows better than the device.
    pub overrides: Overrides,
}

/// A route that takes a topic, with what the topic names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RouteMatch<'a> {
    /// The route.
    pub route: &'a Route,
    /// The device that the topic or the route names.
    pub device: Option<&'a str>,
    /// The kind of message.
    pub kind: &'a str,
}

impl RouteTable {
    /// The built-in route alone.
    #[must_use]
    pub fn native() -> Self {
        Self {
            routes: vec![Route::native()],
        }
    }

    /// The first route that takes `topic`.
    #[must_use]
    pub fn find<'a>(&'a self, topic: &'a str) -> Option<RouteMatch<'a>> {
        self.routes.iter().find_map(|route| {
            let names = route.filter.matches(topic)?;
            Some(RouteMatch {
                route,
                device: route.device.as_deref().or(names.device),
                kind: route.kind.as_deref().or(names.kind)?,
            })
        })
    }
}

impl Route {
    /// The built-in route.
    #[must_use]
    pub fn native() -> Self {
        Self {
            filter: TopicFilter::parse(NATIVE_TOPIC).expect("the built-in filter is a filter"),
            decoder: Decoder::Native,
            device: None,
            kind: None,
            overrides: Overrides::default(),
        }
    }
}
