//! Exit statuses: 0 done, 1 ran and found something wrong, 2 a usage or configuration error.

use std::process::ExitCode;

use chassis::config::ConfigError;
use stack::StackError;

use crate::output;

/// It ran and found something wrong.
pub(crate) const WRONG: u8 = 1;

/// Usage or configuration.
const USAGE: u8 = 2;

/// A mistake in how we were called, said in a sentence.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// An error that ends the process with status 2.
pub(crate) fn usage(sentence: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(sentence.into()))
}

/// Says what went wrong, with its causes, and chooses the status.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    output::complain(&format!("error: {error:#}"));
    ExitCode::from(status(error))
}

fn status(error: &anyhow::Error) -> u8 {
    let is_usage = error.chain().any(|cause| {
        cause.is::<Usage>()
            || cause.is::<ConfigError>()
            || cause.is::<gateway::config::CheckError>()
            || cause
                .downcast_ref::<StackError>()
                .is_some_and(StackError::is_configuration)
    });
    if is_usage { USAGE } else { WRONG }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn configuration_errors_exit_with_2_however_deep_they_lie() {
        let wrong = Err::<(), _>(ConfigError::new("--workers", 0, "1 to 64 workers"));
        assert_eq!(
            status(&wrong.context("starting the consumer").unwrap_err()),
            2
        );
        assert_eq!(
            status(&usage("--rate and --simulate none exclude each other")),
            2
        );
        let missing = StackError::ProgramMissing {
            program: "java".to_owned(),
            install: "apt-get install default-jre-headless".to_owned(),
        };
        assert_eq!(status(&missing.into()), 2);
    }

    #[test]
    fn anything_else_exits_with_1() {
        assert_eq!(status(&anyhow::anyhow!("the audit differs")), 1);
        let topic = StackError::Topic {
            topic: "alerts".to_owned(),
            reason: "refused".to_owned(),
        };
        assert_eq!(status(&topic.into()), 1);
    }
}
