//! `footfall config`: what every subcommand would do with this environment and this `.env`, without secrets.
//!
//! Read from the command line's own definition, so a flag that is added anywhere shows up here by itself.

use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory};
use stack::url::without_password;

use crate::cli::Cli;
use crate::{exit, output};

/// Parts of a variable's name that make its value a secret.
const SECRET: [&str; 4] = ["PASSWORD", "SECRET", "TOKEN", "API_KEY"];

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these subcommands
    subcommands: Vec<String>,
}

/// Runs the subcommand.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let cli = Cli::command();
    for name in &args.subcommands {
        if cli.find_subcommand(name).is_none() {
            return Err(exit::usage(format!(
                "{name} is no subcommand, see `footfall --help`"
            )));
        }
    }
    for subcommand in cli.get_subcommands() {
        let is_wanted = args.subcommands.is_empty()
            || args
                .subcommands
                .iter()
                .any(|name| name == subcommand.get_name());
        let rows: Vec<Vec<String>> = subcommand.get_arguments().filter_map(row).collect();
        if !is_wanted || rows.is_empty() {
            continue;
        }
        output::say(&format!("[{}]", subcommand.get_name()));
        for line in output::table(&rows) {
            output::say(&line);
        }
        output::say("");
        check(subcommand)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Variable, value, where the value comes from. `None` for a flag without a variable: only the command line can set it.
fn row(arg: &Arg) -> Option<Vec<String>> {
    let variable = arg.get_env()?;
    let name = variable.to_string_lossy().into_owned();
    let (value, origin) = match std::env::var_os(variable) {
        Some(value) => (value.to_string_lossy().into_owned(), "environment"),
        None => {
            let defaults = arg.get_default_values().iter();
            let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy()).collect();
            (defaults.join(","), "default")
        }
    };
    let value = if value.is_empty() {
        "-".to_owned()
    } else {
        shown(&name, &value)
    };
    Some(vec![name, value, origin.to_owned()])
}

/// A value that may be printed.
fn shown(name: &str, value: &str) -> String {
    if SECRET.iter().any(|part| name.contains(part)) {
        return "***".to_owned();
    }
    without_password(value)
}

/// Lets clap read the environment, so that a wrong value is told with its flag. Arguments that only a command line can give
/// are not missed here.
fn check(subcommand: &Command) -> anyhow::Result<()> {
    let words = [subcommand.get_name().to_owned()];
    match subcommand.clone().try_get_matches_from(words) {
        Err(error) if error.kind() != clap::error::ErrorKind::MissingRequiredArgument => {
            Err(exit::usage(
                error
                    .to_string()
                    .trim_start_matches("error: ")
                    .trim()
                    .to_owned(),
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(shown("FOOTFALL_API_TOKEN", "abc"), "***");
        assert_eq!(
            shown("FOOTFALL_POSTGRES", "postgres://u:p@h/d"),
            "postgres://u:***@h/d"
        );
        assert_eq!(shown("FOOTFALL_KAFKA", "h:9092"), "h:9092");
    }

    #[test]
    fn every_variable_is_named_after_its_flag() {
        for subcommand in Cli::command().get_subcommands() {
            for arg in subcommand.get_arguments() {
                let (Some(variable), Some(long)) = (arg.get_env(), arg.get_long()) else {
                    continue;
                };
                // A flag that several subcommands read differently has its subcommand in between.
                let variable = variable.to_string_lossy().into_owned();
                let flag = long.replace('-', "_").to_uppercase();
                let expected = [
                    format!("FOOTFALL_{flag}"),
                    format!("FOOTFALL_{}_{flag}", subcommand.get_name().to_uppercase()),
                ];
                assert!(
                    expected.contains(&variable),
                    "{} --{long} has {variable}",
                    subcommand.get_name()
                );
            }
        }
    }
}
