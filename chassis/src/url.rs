//! URLs with secrets in them: how they are shown, and whether they are of the kind that a setting asks for.

use crate::config::ConfigError;

/// Stands where a secret was.
pub const HIDDEN: &str = "***";

/// Parts of a parameter's name that make its value a secret.
const SECRET: [&str; 5] = ["pass", "pwd", "secret", "token", "key"];

/// A URL fit for a message or a log: the password before the host and every secret parameter are hidden.
///
/// What is neither a URL nor an address is hidden as a whole, because nobody knows where in it a secret would be.
///
/// ```
/// use chassis::url::without_password;
/// assert_eq!(without_password("postgres://me:secret@host/db"), "postgres://me:***@host/db");
/// assert_eq!(without_password("postgres://host/db?password=secret"), "postgres://host/db?password=***");
/// assert_eq!(without_password("host=h password=secret"), "***");
/// ```
#[must_use]
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        let shown = if is_plain(url) { url } else { HIDDEN };
        return shown.to_owned();
    };
    if !is_plain(scheme) {
        return HIDDEN.to_owned();
    }
    // The last `@`, because a password may hold one.
    let (account, place) = match rest.rsplit_once('@') {
        Some((account, place)) => (shown_account(account), place),
        None => (String::new(), rest),
    };
    format!("{scheme}://{account}{}", shown_place(place))
}

/// Words, hosts and `host:port`; no room for a name with a value, or an account before a host.
fn is_plain(text: &str) -> bool {
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/,".contains(&byte);
    text.split(',').all(|part| match part.rsplit_once(':') {
        Some((host, port)) => host.bytes().all(is_harmless) && port.parse::<u16>().is_ok(),
        None => part.bytes().all(is_harmless),
    })
}

/// The name before the password. An `@` further back may have put the host and parameters in here; the name ends before them.
fn shown_account(account: &str) -> String {
    match account.split_once([':', '/', '?', '#']) {
        Some((user, _)) => format!("{user}:{HIDDEN}@"),
        None => format!("{account}@"),
    }
}

/// Host, path and parameters, the secret ones hidden.
fn shown_place(place: &str) -> String {
    let shown = |piece: &str| {
        // From the separator on; the first piece has none.
        let begins = piece.find(|c| !matches!(c, '?' | '&' | ';' | '#'));
        let (separator, piece) = piece.split_at(begins.unwrap_or(piece.len()));
        match piece.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{separator}{name}={HIDDEN}"),
            _ => format!("{separator}{piece}"),
        }
    };
    let mut pieces = Vec::new();
    let mut rest = place;
    while let Some(next) = rest
        .char_indices()
        .skip(1)
        .find(|(_, c)| matches!(c, '?' | '&' | ';' | '#'))
    {
        let (piece, others) = rest.split_at(next.0);
        pieces.push(shown(piece));
        rest = others;
    }
    pieces.push(shown(rest));
    pieces.concat()
}

/// A name that is written with escapes may be any name.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains('%') || SECRET.iter().any(|part| name.contains(part))
}

/// Checks that a URL is of one of the schemes, such as `redis`, and that its driver can read it.
///
/// # Errors
/// [`ConfigError`], which shows the value without its password.
pub fn check(
    flag: &'static str,
    url: &str,
    schemes: &[&str],
    is_readable: impl FnOnce(&str) -> bool,
    expected: &'static str,
) -> Result<(), ConfigError> {
    // Drivers take schemes that are not theirs.
    let is_known = url
        .split_once("://")
        .is_some_and(|(scheme, rest)| schemes.contains(&scheme) && !rest.is_empty());
    if is_known && is_readable(url) {
        Ok(())
    } else {
        Err(ConfigError::new(flag, without_password(url), expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_in_a_message_keeps_its_secrets_to_itself() {
        for (url, expected) in [
            (
                "postgres://me:p@ss@host:5432/db",
                "postgres://me:***@host:5432/db",
            ),
            ("postgres://me@host/db", "postgres://me@host/db"),
            ("redis://:sekret@host", "redis://:***@host"),
            (
                "postgres://u@h/d?password=sekret",
                "postgres://u@h/d?password=***",
            ),
            (
                "postgres://h/d?sslmode=require&Password=sekret&x=1",
                "postgres://h/d?sslmode=require&Password=***&x=1",
            ),
            (
                "postgres://h/d?p%61ssword=sekret",
                "postgres://h/d?p%61ssword=***",
            ),
            (
                "postgres://h/d?user=a@b&password=sekret",
                "postgres://h:***@b&password=***",
            ),
            ("postgres://u:se?kr/et@h/d", "postgres://u:***@h/d"),
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("127.0.0.1:9092", "127.0.0.1:9092"),
            ("a:9092,b:9092", "a:9092,b:9092"),
            ("nonsense", "nonsense"),
            ("me:sekret@host", "***"),
            ("host=h password=sekret", "***"),
            ("me:sekret", "***"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), expected);
        }
    }

    #[test]
    fn a_url_of_another_kind_is_named_without_its_password() {
        let check = |url| {
            let error = check("--redis", url, &["redis"], |_| true, "redis://host:port");
            error.map_err(|error| error.to_string())
        };
        assert_eq!(check("redis://h"), Ok(()));
        assert_eq!(
            check("http://u:sekret@h").unwrap_err(),
            "--redis is \"http://u:***@h\", expected redis://host:port"
        );
        assert!(check("redis://").is_err() && check("nonsense").is_err());
    }
}
