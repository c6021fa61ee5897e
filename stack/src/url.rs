//! URLs in messages and logs.

/// A URL fit for a message: `scheme://user:secret@host` loses its secret.
#[must_use]
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    // The last `@`, because a password may hold one.
    match rest.rsplit_once('@') {
        Some((account, host)) => {
            let user = account.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{host}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_in_a_message_keeps_its_password_to_itself() {
        assert_eq!(
            without_password("postgres://me:p@ss@host:5432/db"),
            "postgres://me:***@host:5432/db"
        );
        assert_eq!(
            without_password("redis://127.0.0.1:6379"),
            "redis://127.0.0.1:6379"
        );
        assert_eq!(without_password("127.0.0.1:9092"), "127.0.0.1:9092");
    }
}
