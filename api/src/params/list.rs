//! Lists of names: `a,b`, or all of them.

use std::collections::BTreeSet;

use crate::problem::{Answer, Problem};

/// How many names a list may hold.
const NAMES_MAX: usize = 500;

/// All, or some.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Choice {
    /// Nothing was left out.
    #[default]
    All,
    /// These only.
    Some(BTreeSet<String>),
}

impl Choice {
    /// Reads a comma list; `all` or nothing given means all.
    ///
    /// # Errors
    /// A 400 that names `parameter` when the list holds an empty name or too many.
    pub fn parse(parameter: &str, given: Option<&str>) -> Answer<Self> {
        let Some(given) = given.filter(|&given| given != "all") else {
            return Ok(Self::All);
        };
        let names: BTreeSet<String> = given
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect();
        if names.contains("") {
            return Err(Problem::parameter(
                parameter,
                "empty_name",
                format!("{given:?} holds an empty name; leave the parameter out for all"),
            ));
        }
        if names.len() > NAMES_MAX {
            return Err(Problem::parameter(
                parameter,
                "too_many",
                format!(
                    "lists {} names, at most {NAMES_MAX} are answered",
                    names.len()
                ),
            ));
        }
        Ok(Self::Some(names))
    }

    /// Whether `name` is in it.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.contains(name),
        }
    }

    /// The names, or `None` for all.
    #[must_use]
    pub fn names(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::All => None,
            Self::Some(names) => Some(names),
        }
    }

    /// The list as it would be asked: sorted, `all` for all. Equal choices give equal texts.
    #[must_use]
    pub fn canonical(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Some(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                names.join(",")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_and_nothing_mean_all() {
        assert_eq!(Choice::parse("sensor", None), Ok(Choice::All));
        assert_eq!(Choice::parse("sensor", Some("all")), Ok(Choice::All));
    }

    #[test]
    fn the_order_of_names_does_not_matter() {
        let choice = Choice::parse("sensor", Some("b, a,b")).unwrap();
        assert_eq!(choice.canonical(), "a,b");
        assert!(choice.contains("a") && !choice.contains("c"));
    }

    #[test]
    fn empty_names_are_refused() {
        for given in ["", "a,", ",a", "a,,b"] {
            assert!(Choice::parse("sensor", Some(given)).is_err(), "{given:?}");
        }
    }
}
