//! Paging: `limit` and an opaque `cursor`. A page begins after the row that the cursor names, so rows that come or go
//! while somebody pages shift nothing.

use axum::http::{HeaderMap, HeaderValue, Uri, header};

use crate::problem::{Answer, Problem};

/// Rows of a page unless told otherwise.
pub const LIMIT_DEFAULT: usize = 100;
/// Rows of a page at most.
pub const LIMIT_MAX: usize = 500;

/// The place after which a page begins: the sort key of a row, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<String>);

/// Which page was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows at most.
    pub limit: usize,
    /// The row before it.
    pub after: Option<Cursor>,
}

impl Page {
    /// Reads `limit` and `cursor`; a cursor has `parts` parts.
    ///
    /// # Errors
    /// A 400 that names the one that is wrong.
    pub fn parse(limit: Option<&str>, cursor: Option<&str>, parts: usize) -> Answer<Self> {
        let limit = match limit {
            None => LIMIT_DEFAULT,
            Some(given) => given
                .parse()
                .ok()
                .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                .ok_or_else(|| {
                    Problem::parameter(
                        "limit",
                        "out_of_range",
                        format!("{given:?} is not a number from 1 to {LIMIT_MAX}"),
                    )
                })?,
        };
        let after = match cursor {
            None => None,
            Some(given) => Some(
                Cursor::decode(given)
                    .filter(|cursor| cursor.0.len() == parts)
                    .ok_or_else(Self::invalid_cursor)?,
            ),
        };
        Ok(Self { limit, after })
    }

    /// The problem of a cursor that no page of this list gave.
    #[must_use]
    pub fn invalid_cursor() -> Problem {
        Problem::parameter(
            "cursor",
            "invalid_cursor",
            "is not one that a page of this list gave as next_cursor",
        )
    }

    /// Cuts `rows` (sorted, and one longer than the page where there is more) and names the place where the next begins.
    #[must_use]
    pub fn cut<T>(
        &self,
        mut rows: Vec<T>,
        key: impl Fn(&T) -> Vec<String>,
    ) -> (Vec<T>, Option<String>) {
        if rows.len() <= self.limit {
            return (rows, None);
        }
        rows.truncate(self.limit);
        let next = rows.last().map(|last| Cursor(key(last)).encode());
        (rows, next)
    }
}

/// The heading that names the next page of the list at `uri`; none on the last page.
#[must_use]
pub fn next_link(uri: &Uri, next_cursor: Option<&str>) -> HeaderMap {
    let Some(cursor) = next_cursor else {
        return HeaderMap::new();
    };
    let asked = uri.query().unwrap_or_default().split('&');
    let kept = asked.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query: Vec<&str> = kept.collect();
    let next = format!("cursor={cursor}");
    let query = [query, vec![next.as_str()]].concat().join("&");
    let link = format!("<{}?{query}>; rel=\"next\"", uri.path());
    let link = HeaderValue::from_str(&link).expect("a URI and a cursor are visible ASCII");
    HeaderMap::from_iter([(header::LINK, link)])
}

impl Cursor {
    /// The cursor as text: the hexadecimal digits of its parts, each preceded by its length.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        for part in &self.0 {
            let mut bytes = u16::try_from(part.len())
                .unwrap_or(u16::MAX)
                .to_be_bytes()
                .to_vec();
            bytes.extend_from_slice(&part.as_bytes()[..part.len().min(usize::from(u16::MAX))]);
            for byte in bytes {
                text.push(
                    char::from_digit(u32::from(byte >> 4), 16).expect("four bits are a digit"),
                );
                text.push(
                    char::from_digit(u32::from(byte & 15), 16).expect("four bits are a digit"),
                );
            }
        }
        text
    }

    /// Reads [`Cursor::encode`].
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text
            .chars()
            .map(|digit| {
                digit
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            })
            .collect::<Option<_>>()?;
        let (pairs, odd) = digits.as_chunks::<2>();
        if !odd.is_empty() {
            return None;
        }
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        let mut rest = bytes.as_slice();
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (part, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let part = String::from_utf8(part.to_vec()).ok()?;
            // Postgres knows no text with NUL in it, so no row has such a key.
            if part.contains('\0') {
                return None;
            }
            parts.push(part);
            rest = after;
        }
        Some(Self(parts))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_of_the_default_size_begins_at_the_beginning() {
        assert_eq!(
            Page::parse(None, None, 1),
            Ok(Page {
                limit: 100,
                after: None
            })
        );
    }

    #[test]
    fn limits_and_cursors_that_cannot_be_are_named() {
        for limit in ["0", "501", "-1", "ten", "1.5", ""] {
            let problem = Page::parse(Some(limit), None, 1).unwrap_err();
            assert_eq!(problem.body().errors[0].parameter, "limit", "{limit}");
        }
        let two = Cursor(vec!["a".into(), "b".into()]).encode();
        for cursor in ["", "zz", "0", "0005", "00016100", &two, "0001ff"] {
            let problem = Page::parse(None, Some(cursor), 1).unwrap_err();
            assert_eq!(problem.body().errors[0].parameter, "cursor", "{cursor}");
        }
    }

    #[test]
    fn the_next_page_begins_after_the_last_row_of_this_one() {
        let page = Page {
            limit: 2,
            after: None,
        };
        let key = |row: &i32| vec![row.to_string()];
        assert_eq!(page.cut(vec![1, 2], key), (vec![1, 2], None));
        let (rows, next) = page.cut(vec![1, 2, 3], key);
        assert_eq!(rows, [1, 2]);
        assert_eq!(
            Cursor::decode(&next.unwrap()),
            Some(Cursor(vec!["2".into()]))
        );
    }

    proptest! {
        #[test]
        fn a_cursor_survives_its_journey(parts in prop::collection::vec("[^\\x00]{0,40}", 1..5)) {
            let cursor = Cursor(parts);
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }

        #[test]
        fn text_that_is_no_cursor_never_panics(text in ".{0,60}") {
            drop(Cursor::decode(&text));
        }
    }
}
