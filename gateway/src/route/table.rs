//! Reading `routes.toml`, and saying what is wrong with it: line, field, value, and what was expected.

use std::ops::Range;
use std::path::Path;

use decoders::{Decoder, Overrides, Unit, check_name};
use jiff::tz::TimeZone;
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::{Route, RouteTable, TopicFilter};

/// Why a route table cannot be used.
#[derive(Debug, Error)]
pub enum RoutesError {
    /// The file cannot be read.
    #[error("cannot read {file}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// Not TOML, or not of this shape.
    #[error("{file} line {line}: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What was expected there.
        message: String,
    },
    /// A field whose value cannot be used.
    #[error("{file} line {line}: {field} is {value:?}, expected {expected}")]
    Field {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// The field.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What would do.
        expected: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    route: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    topic: Spanned<String>,
    decoder: Spanned<String>,
    device: Option<Spanned<String>>,
    kind: Option<Spanned<String>>,
    zone: Option<Spanned<String>>,
    timezone: Option<Spanned<String>>,
    unit: Option<Spanned<String>>,
}

impl RouteTable {
    /// The routes of a file, followed by the built-in one unless `with_native` is false.
    ///
    /// # Errors
    /// [`RoutesError`], which names line, field, value and what was expected.
    pub fn load(file: &Path, with_native: bool) -> Result<Self, RoutesError> {
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&name, &text, with_native),
            Err(cause) => Err(RoutesError::Unreadable { file: name, cause }),
        }
    }

    /// The same for `text`, which stands in `file`.
    ///
    /// # Errors
    /// [`RoutesError`], which names line, field, value and what was expected.
    pub fn parse(file: &str, text: &str, with_native: bool) -> Result<Self, RoutesError> {
        let source = Source { file, text };
        let parsed: File = toml::from_str(text).map_err(|error| RoutesError::Syntax {
            file: file.to_owned(),
            line: source.line(error.span()),
            message: error.message().to_owned(),
        })?;
        let routes: Result<Vec<Route>, RoutesError> = parsed
            .route
            .into_iter()
            .map(|entry| source.route(entry))
            .collect();
        let mut routes = routes?;
        if with_native {
            routes.push(Route::native());
        }
        Ok(Self { routes })
    }
}

struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn line(&self, span: Option<Range<usize>>) -> usize {
        let before =
            &self.text.as_bytes()[..span.map_or(0, |span| span.start).min(self.text.len())];
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }

    fn error(
        &self,
        field: &'static str,
        value: &Spanned<String>,
        expected: &dyn std::fmt::Display,
    ) -> RoutesError {
        RoutesError::Field {
            file: self.file.to_owned(),
            line: self.line(Some(value.span())),
            field,
            value: value.as_ref().clone(),
            expected: expected.to_string(),
        }
    }

    fn route(&self, entry: Entry) -> Result<Route, RoutesError> {
        let filter = TopicFilter::parse(entry.topic.as_ref())
            .map_err(|error| self.error("topic", &entry.topic, &error))?;
        if entry.kind.is_none() && !filter.names_kind() {
            return Err(self.error(
                "topic",
                &entry.topic,
                &"a {kind} in it, or a field kind beside it",
            ));
        }
        let decoder = Decoder::from_name(entry.decoder.as_ref()).ok_or_else(|| {
            let known = Decoder::ALL.map(Decoder::as_str).join(", ");
            self.error("decoder", &entry.decoder, &known)
        })?;
        let timezone = entry
            .timezone
            .map(|zone| self.timezone(&zone))
            .transpose()?;
        let unit = entry.unit.map(|unit| self.unit(&unit)).transpose()?;
        Ok(Route {
            filter,
            decoder,
            device: self.name("device", entry.device)?,
            kind: self.name("kind", entry.kind)?,
            overrides: Overrides {
                zone: self.name("zone", entry.zone)?,
                timezone,
                unit: unit.unwrap_or_default(),
            },
        })
    }

    fn name(
        &self,
        field: &'static str,
        value: Option<Spanned<String>>,
    ) -> Result<Option<String>, RoutesError> {
        match value {
            Some(name) if check_name(field, name.as_ref()).is_err() => {
                Err(self.error(field, &name, &"1 to 256 bytes of printable text"))
            }
            name => Ok(name.map(Spanned::into_inner)),
        }
    }

    fn timezone(&self, zone: &Spanned<String>) -> Result<TimeZone, RoutesError> {
        TimeZone::get(zone.as_ref()).map_err(|_| {
            self.error(
                "timezone",
                zone,
                &"a name of the IANA time zone database, such as Europe/Berlin",
            )
        })
    }

    fn unit(&self, unit: &Spanned<String>) -> Result<Unit, RoutesError> {
        Unit::from_name(unit.as_ref()).ok_or_else(|| {
            let known = Unit::ALL.map(Unit::as_str).join(", ");
            self.error("unit", unit, &known)
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const GOOD: &str = r#"
[[route]]
topic = "shop/{site}/uwb/{device}"
decoder = "native"
kind = "positions"
unit = "cm"
timezone = "Europe/Berlin"

[[route]]
topic = "hub/#"
decoder = "native"
kind = "status"
device = "hub-1"
zone = "entrance"
"#;

    #[test]
    fn the_first_route_that_matches_wins() {
        let table = RouteTable::parse("routes.toml", GOOD, true).unwrap();
        let found = table.find("shop/main/uwb/ent-1").unwrap();
        assert_eq!((found.device, found.kind), (Some("ent-1"), "positions"));
        assert_eq!(found.route.overrides.unit, Unit::Centimetre);
        let found = table.find("hub/a/b").unwrap();
        assert_eq!((found.device, found.kind), (Some("hub-1"), "status"));
        assert_eq!(found.route.overrides.zone.as_deref(), Some("entrance"));
        let found = table.find("footfall/main/ent-1/positions").unwrap();
        assert_eq!(found.route, &Route::native());
        assert_eq!(table.find("elsewhere"), None);
    }

    #[test]
    fn the_native_route_can_be_left_out() {
        let table = RouteTable::parse("routes.toml", GOOD, false).unwrap();
        assert_eq!(table.find("footfall/main/ent-1/positions"), None);
    }

    #[rstest]
    #[case(
        "[[route]]\ntopic = \"a/#/b\"\ndecoder = \"native\"\nkind = \"status\"",
        "routes.toml line 2: topic is \"a/#/b\", expected # only as the last level"
    )]
    #[case(
        "[[route]]\ntopic = \"a\"\ndecoder = \"native\"",
        "routes.toml line 2: topic is \"a\", expected a {kind} in it, or a field kind beside it"
    )]
    #[case(
        "[[route]]\ntopic = \"a/{kind}\"\ndecoder = \"nativ\"",
        "routes.toml line 3: decoder is \"nativ\", expected native"
    )]
    #[case(
        "\n[[route]]\ntopic = \"a/{kind}\"\ndecoder = \"native\"\ntimezone = \"Berlin\"",
        "routes.toml line 5: timezone is \"Berlin\", expected a name of the IANA time zone database, such as Europe/Berlin"
    )]
    #[case(
        "[[route]]\ntopic = \"a/{kind}\"\ndecoder = \"native\"\nunit = \"inch\"",
        "routes.toml line 4: unit is \"inch\", expected m, cm, mm, ft"
    )]
    #[case(
        "[[route]]\ntopic = \"a/{kind}\"\ndecoder = \"native\"\ndevice = \"\"",
        "routes.toml line 4: device is \"\", expected 1 to 256 bytes of printable text"
    )]
    fn an_error_names_line_field_value_and_expectation(#[case] text: &str, #[case] expected: &str) {
        let error = RouteTable::parse("routes.toml", text, true).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[rstest]
    #[case("[[route]]\ndecoder = \"native\"", "line 1: missing field `topic`")]
    #[case(
        "[[route]]\ntopic = \"a\"\ndecoder = \"native\"\nunits = \"cm\"",
        "line 4: unknown field `units`"
    )]
    #[case("[[route]\n", "line 1: ")]
    fn a_file_of_another_shape_is_refused_with_its_line(
        #[case] text: &str,
        #[case] expected: &str,
    ) {
        let error = RouteTable::parse("routes.toml", text, true)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = RouteTable::load(Path::new("/nowhere/routes.toml"), true).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/routes.toml");
    }
}
