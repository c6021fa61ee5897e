//! Asking a process of ours over HTTP on this machine.

use std::time::Duration;

/// How long an answer may take; the asked are on loopback.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What a process said.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Whether the status was a success.
    pub(crate) is_success: bool,
    /// The text of the answer.
    pub(crate) text: String,
}

/// Asks once.
pub(crate) async fn get(url: &str) -> Result<Answer, reqwest::Error> {
    let client = reqwest::Client::builder()
        .timeout(ANSWER_WITHIN)
        .no_proxy()
        .build()?;
    let response = client.get(url).send().await?;
    Ok(Answer {
        is_success: response.status().is_success(),
        text: response.text().await?,
    })
}
