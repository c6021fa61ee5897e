//! Topic filters: those of MQTT, with names for the levels that mean something.

use std::fmt;

use thiserror::Error;

/// A topic filter: `shop/{site}/+/{device}/#`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFilter {
    levels: Vec<Level>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Literal(String),
    /// `+`, or a name that nothing here uses.
    Any,
    Site,
    Device,
    Kind,
    /// `#`: everything below, the level above included.
    Rest,
}

/// What the levels of a topic name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names<'t> {
    /// `{site}`
    pub site: Option<&'t str>,
    /// `{device}`
    pub device: Option<&'t str>,
    /// `{kind}`
    pub kind: Option<&'t str>,
}

/// What is wrong with a filter.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FilterError {
    /// Nothing matches it.
    #[error("a topic filter of at least one character")]
    Empty,
    /// `a/#/b`
    #[error("# only as the last level")]
    RestNotLast,
    /// `a+`, `{x`, `b#`
    #[error("+, # and {{name}} only as a whole level")]
    PartOfLevel,
    /// `{room}`
    #[error("only the names {{site}}, {{device}} and {{kind}}")]
    UnknownName,
    /// `{device}/{device}`
    #[error("every name only once")]
    Repeated,
}

impl TopicFilter {
    /// Reads a filter.
    ///
    /// # Errors
    /// [`FilterError`], whose text says what was expected.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Err(FilterError::Empty);
        }
        let mut levels: Vec<Level> = Vec::new();
        for level in text.split('/') {
            if levels.last() == Some(&Level::Rest) {
                return Err(FilterError::RestNotLast);
            }
            let level = Level::parse(level)?;
            if matches!(level, Level::Site | Level::Device | Level::Kind) && levels.contains(&level)
            {
                return Err(FilterError::Repeated);
            }
            levels.push(level);
        }
        Ok(Self { levels })
    }

    /// Whether a level is called `{kind}`.
    #[must_use]
    pub fn names_kind(&self) -> bool {
        self.levels.contains(&Level::Kind)
    }

    /// What `topic` names, if this filter takes it. Topics that begin with `$` are the server's own and never match a
    /// filter that begins with a wildcard.
    #[must_use]
    pub fn matches<'t>(&self, topic: &'t str) -> Option<Names<'t>> {
        if topic.starts_with('$') && !matches!(self.levels.first(), Some(Level::Literal(_))) {
            return None;
        }
        let mut names = Names::default();
        let mut parts = topic.split('/');
        for level in &self.levels {
            if *level == Level::Rest {
                return Some(names);
            }
            let part = parts.next()?;
            match level {
                Level::Literal(literal) if literal != part => return None,
                Level::Literal(_) | Level::Any | Level::Rest => {}
                Level::Site => names.site = Some(part),
                Level::Device => names.device = Some(part),
                Level::Kind => names.kind = Some(part),
            }
        }
        parts.next().is_none().then_some(names)
    }
}

impl Level {
    fn parse(text: &str) -> Result<Self, FilterError> {
        Ok(match text {
            "#" => Self::Rest,
            "+" => Self::Any,
            "{site}" => Self::Site,
            "{device}" => Self::Device,
            "{kind}" => Self::Kind,
            _ if text.starts_with('{') && text.ends_with('}') => {
                return Err(FilterError::UnknownName);
            }
            _ if text.contains(['+', '#', '{', '}']) => return Err(FilterError::PartOfLevel),
            _ => Self::Literal(text.to_owned()),
        })
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, level) in self.levels.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(match level {
                Level::Literal(literal) => literal,
                Level::Any => "+",
                Level::Site => "{site}",
                Level::Device => "{device}",
                Level::Kind => "{kind}",
                Level::Rest => "#",
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("footfall/{site}/{device}/{kind}", "footfall/main/ent-1/positions", Some((Some("main"), Some("ent-1"), Some("positions"))))]
    #[case("footfall/{site}/{device}/{kind}", "footfall/main/ent-1", None)]
    #[case(
        "footfall/{site}/{device}/{kind}",
        "footfall/main/ent-1/positions/x",
        None
    )]
    #[case("a/+/{device}", "a/b/c", Some((None, Some("c"), None)))]
    #[case("a/{device}/#", "a/d", Some((None, Some("d"), None)))]
    #[case("a/{device}/#", "a/d/e/f", Some((None, Some("d"), None)))]
    #[case("a/{device}/#", "a", None)]
    #[case("#", "any/thing", Some((None, None, None)))]
    #[case("#", "$SYS/broker", None)]
    #[case("{site}/x", "$SYS/x", None)]
    #[case("$own/x", "$own/x", Some((None, None, None)))]
    #[case("a", "A", None)]
    fn filters_match_as_in_mqtt(
        #[case] filter: &str,
        #[case] topic: &str,
        #[case] expected: Option<(Option<&str>, Option<&str>, Option<&str>)>,
    ) {
        let names = TopicFilter::parse(filter).unwrap().matches(topic);
        assert_eq!(
            names.map(|names| (names.site, names.device, names.kind)),
            expected
        );
    }

    #[rstest]
    #[case("", FilterError::Empty)]
    #[case("a/#/b", FilterError::RestNotLast)]
    #[case("a+", FilterError::PartOfLevel)]
    #[case("a/{device", FilterError::PartOfLevel)]
    #[case("{room}", FilterError::UnknownName)]
    #[case("{device}/{device}", FilterError::Repeated)]
    fn a_filter_that_means_nothing_is_refused(#[case] filter: &str, #[case] error: FilterError) {
        assert_eq!(TopicFilter::parse(filter), Err(error));
    }

    #[test]
    fn a_filter_is_written_as_it_was_read() {
        for filter in ["footfall/{site}/{device}/{kind}", "a/+/#"] {
            assert_eq!(TopicFilter::parse(filter).unwrap().to_string(), filter);
        }
    }
}
