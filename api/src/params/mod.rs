//! From the words of a query to checked values. Whatever cannot be read is a 400 that names the parameter.
//!
//! REST and the websocket read the same words through the same code: a [`Pairs`] is made of a query string or of the
//! `params` of a subscription. Which names an operation knows is taken from its OpenAPI description, so that the two
//! cannot disagree.

mod list;
mod page;
mod span;
mod when;

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::IntoParams;

pub use list::Choice;
pub use page::{Cursor, LIMIT_DEFAULT, LIMIT_MAX, Page, next_link};
pub use span::{label as span_label, pane_multiple};
pub use when::{When, zone};

use crate::problem::{Answer, Problem};

/// Names and values as they were asked, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(BTreeMap<String, String>);

impl Pairs {
    /// Reads a query string.
    ///
    /// # Errors
    /// A 400 when it is not UTF-8 or gives a name twice.
    pub fn from_query(query: &str) -> Answer<Self> {
        let mut pairs = BTreeMap::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decoded(name, name)?;
            let value = decoded(&name, value)?;
            if pairs.insert(name.clone(), value).is_some() {
                return Err(Problem::parameter(
                    &name,
                    "duplicate",
                    "is given twice; write several values as a comma list",
                ));
            }
        }
        Ok(Self(pairs))
    }

    /// Takes the `params` of a subscription.
    #[must_use]
    pub fn from_map(params: BTreeMap<String, String>) -> Self {
        Self(params)
    }

    /// Sorts the values into the fields of `T`.
    ///
    /// # Errors
    /// A 400 that names the first parameter which `T` does not know.
    pub fn read<T: DeserializeOwned + IntoParams>(self) -> Answer<T> {
        let known: Vec<String> = T::into_params(|| None)
            .into_iter()
            .map(|parameter| parameter.name)
            .collect();
        if let Some(unknown) = self.0.keys().find(|name| !known.contains(name)) {
            return Err(Problem::parameter(
                unknown,
                "unknown_parameter",
                format!("is not a parameter here; those are {}", known.join(", ")),
            ));
        }
        if let Some((name, _)) = self.0.iter().find(|(_, value)| value.contains('\0')) {
            return Err(Problem::parameter(
                name,
                "not_text",
                "holds a NUL character",
            ));
        }
        let values = self
            .0
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)));
        serde_json::from_value(Value::Object(values.collect()))
            .map_err(|cause| Problem::bad_request(cause.to_string()))
    }
}

fn decoded(name: &str, text: &str) -> Answer<String> {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(Problem::parameter(
            name,
            "not_utf8",
            "is not valid UTF-8 once its percent signs are decoded",
        )),
    }
}

/// The query of a request, sorted into the fields of `T` but not checked yet.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<S, T> FromRequestParts<S> for Asked<T>
where
    S: Sync,
    T: DeserializeOwned + IntoParams,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Answer<Self> {
        let pairs = Pairs::from_query(parts.uri.query().unwrap_or_default())?;
        pairs.read().map(Asked)
    }
}

/// The one of `all` whose name was given, or `default` when none was.
///
/// # Errors
/// A 400 that lists the names.
pub fn one_of<T: Copy>(
    parameter: &str,
    given: Option<&str>,
    all: &[(&str, T)],
    default: T,
) -> Answer<T> {
    let Some(given) = given else {
        return Ok(default);
    };
    match all.iter().find(|(name, _)| *name == given) {
        Some((_, value)) => Ok(*value),
        None => {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            Err(Problem::parameter(
                parameter,
                "unknown_value",
                format!("{given:?} is none of {}", names.join(", ")),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize, IntoParams)]
    #[serde(default)]
    struct Example {
        sensor: Option<String>,
        #[serde(rename = "type")]
        traveler_type: Option<String>,
    }

    fn check(query: &str) -> Answer<Example> {
        Pairs::from_query(query)?.read()
    }

    fn refused(query: &str) -> (String, String) {
        let problem = check(query).unwrap_err();
        let error = problem.body().errors[0].clone();
        (error.parameter, error.code)
    }

    #[test]
    fn values_are_decoded_and_sorted_into_their_fields() {
        let example = check("sensor=caf%C3%A9+1%2C2&type=student").unwrap();
        assert_eq!(example.sensor.as_deref(), Some("café 1,2"));
        assert_eq!(example.traveler_type.as_deref(), Some("student"));
        assert_eq!(check("").unwrap(), Example::default());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(refused("sensor=%FF"), ("sensor".into(), "not_utf8".into()));
        assert_eq!(
            refused("sensor=a&sensor=b"),
            ("sensor".into(), "duplicate".into())
        );
        assert_eq!(
            refused("sensor=a%00b"),
            ("sensor".into(), "not_text".into())
        );
        assert_eq!(
            refused("sensors=a"),
            ("sensors".into(), "unknown_parameter".into())
        );
    }

    #[test]
    fn a_name_out_of_a_list_is_found_or_the_list_is_told() {
        let all = [("bucket", 1), ("rolling", 2)];
        assert_eq!(one_of("mode", None, &all, 2), Ok(2));
        assert_eq!(one_of("mode", Some("bucket"), &all, 2), Ok(1));
        let problem = one_of("mode", Some("Bucket"), &all, 2).unwrap_err();
        assert!(problem.to_string().contains("bucket, rolling"), "{problem}");
    }
}
